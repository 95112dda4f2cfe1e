package kernel

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// world is several nodes and an outside client on one switch, each a network namespace; containers are namespaces too.
// It plays manager and engine.
type world struct {
	t      testing.TB
	dir    string
	fabric *network.Fabric
	swtch  *space
	nodes  []*node
	client *space
	made   int
	nets   int
}

// node is one host.
type node struct {
	*space
	w        *world
	id       model.ID
	path     string
	underlay netip.Addr
	ingress  netip.Addr
	k        *Kernel
	boxes    []network.Sandbox
	want     *network.Desired
	own      *network.Encryption
}

// container is a namespace on a node, with its tasks's addresses.
type container struct {
	*space
	id    model.ID
	node  *node
	path  string
	addrs map[string]netip.Addr // by network
}

var (
	overlaySubnet = netip.MustParsePrefix("10.100.2.0/24")
	ingressSubnet = netip.MustParsePrefix("10.255.0.0/16")
)

func id(n int) (id model.ID) {
	binary.BigEndian.PutUint32(id[12:], uint32(n))
	return id
}

// newWorld makes nodes that forward nothing of their own accord and know one overlay network, "red", and the ingress network.
func newWorld(t testing.TB, nodes int) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), fabric: network.NewFabric()}
	w.fabric.Nodes, w.fabric.Networks = map[model.ID]network.Node{}, map[model.ID]*network.Network{}
	w.swtch = w.namespace("switch")
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "switch", TxQLen: -1}}
	require.NoError(t, w.swtch.route.LinkAdd(bridge))
	require.NoError(t, w.swtch.route.LinkSetUp(bridge))
	for i := range nodes {
		w.addNode(i + 1)
	}
	w.client = w.namespace("client")
	w.plug(w.client, 100, netip.MustParseAddr("192.0.2.100"))
	w.network("red", overlaySubnet, false)
	w.network("ingress", ingressSubnet, true)
	return w
}

func (w *world) namespace(name string) *space {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	require.NoError(w.t, touch(path))
	require.NoError(w.t, bindNew(path))
	s, err := openSpace(path)
	require.NoError(w.t, err)
	lo, err := s.link("lo")
	require.NoError(w.t, err)
	require.NoError(w.t, s.route.LinkSetUp(lo))
	w.t.Cleanup(func() {
		s.close()
		_ = unix.Unmount(path, unix.MNT_DETACH)
	})
	return s
}

// plug connects a namespace to the switch.
func (w *world) plug(s *space, n int, addr netip.Addr) {
	w.t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "eth0"
	pair := netlink.NewVeth(attrs)
	pair.PeerName, pair.PeerNamespace = fmt.Sprintf("port%d", n), netlink.NsFd(int(w.swtch.ns))
	require.NoError(w.t, s.route.LinkAdd(pair))
	bridge, err := w.swtch.link("switch")
	require.NoError(w.t, err)
	port, err := w.swtch.link(pair.PeerName)
	require.NoError(w.t, err)
	require.NoError(w.t, w.swtch.route.LinkSetMaster(port, bridge))
	require.NoError(w.t, w.swtch.route.LinkSetUp(port))
	eth, err := s.link("eth0")
	require.NoError(w.t, err)
	require.NoError(w.t, s.setAddrs(eth, netip.PrefixFrom(addr, 24)))
	require.NoError(w.t, s.route.LinkSetUp(eth))
}

func (w *world) addNode(n int) {
	w.t.Helper()
	nd := &node{
		w: w, id: id(n), path: filepath.Join(w.dir, fmt.Sprintf("node%d", n)), space: w.namespace(fmt.Sprintf("node%d", n)),
		underlay: netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}), ingress: netip.AddrFrom4([4]byte{10, 255, 0, byte(n)}),
	}
	w.plug(nd.space, n, nd.underlay)
	require.NoError(w.t, nd.setSysctls([][2]string{{"net/ipv4/ip_forward", "1"}}))
	nd.firewall()
	w.fabric.Nodes[nd.id] = network.Node{ID: nd.id, Underlay: nd.underlay, Ingress: netip.PrefixFrom(nd.ingress, 16)}
	w.nodes = append(w.nodes, nd)
	nd.start()
	w.t.Cleanup(func() { _ = nd.k.Purge(context.Background()); _ = nd.k.Close() })
}

// firewall makes what an engine makes of the host's firewall.
func (n *node) firewall() {
	n.exec("iptables", "-P", "FORWARD", "DROP")
	n.exec("iptables", "-N", "DOCKER-USER")
	n.exec("iptables", "-I", "FORWARD", "-j", "DOCKER-USER")
}

// start opens the node's kernel, as a daemon that starts does.
func (n *node) start() {
	n.w.t.Helper()
	var err error
	n.k, err = New(Options{Host: n.path, Dir: n.path + ".netns"})
	require.NoError(n.w.t, err)
}

// exec runs a program on the node.
func (s *space) exec(t testing.TB, args ...string) string {
	t.Helper()
	var out []byte
	require.NoError(t, s.do(func() (err error) {
		out, err = exec.Command(args[0], args[1:]...).CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, out)
		}
		return err
	}))
	return string(out)
}

func (n *node) exec(args ...string) string {
	n.w.t.Helper()
	return n.space.exec(n.w.t, args...)
}

func (w *world) network(name string, subnet netip.Prefix, ingress bool) {
	w.nets++
	n := &network.Network{
		ID: id(1000 + w.nets), Name: name, VNI: uint32(4096 + w.nets), Subnet: subnet,
		Gateway: subnet.Masked().Addr().Next(), Ingress: ingress,
		Services: map[model.ID]*network.Service{}, Endpoints: map[model.ID]*network.Endpoint{},
	}
	w.change(func(f *network.Fabric) { f.Networks[n.ID] = n })
}

// change makes the next fabric.
func (w *world) change(f func(*network.Fabric)) {
	next := *w.fabric
	next.Nodes, next.Networks = maps.Clone(next.Nodes), maps.Clone(next.Networks)
	next.Version++
	f(&next)
	w.fabric = &next
}

// on changes one network.
func (w *world) on(name string, f func(*network.Network)) {
	w.change(func(fabric *network.Fabric) {
		next := *w.net(name)
		next.Services, next.Endpoints = maps.Clone(next.Services), maps.Clone(next.Endpoints)
		f(&next)
		fabric.Networks[next.ID] = &next
	})
}

func (w *world) net(name string) *network.Network {
	for _, n := range w.fabric.Networks {
		if n.Name == name {
			return n
		}
	}
	w.t.Fatalf("no network %s", name)
	return nil
}

// service adds a service to a network, with a virtual address unless it is the ingress network.
func (w *world) service(n int, net string, vip string, ports ...network.Port) model.ID {
	s := &network.Service{ID: id(2000 + n), Name: fmt.Sprintf("service%d", n), Ports: ports}
	if vip != "" {
		s.VIP = netip.MustParseAddr(vip)
	}
	w.on(net, func(n *network.Network) { n.Services[s.ID] = s })
	return s.ID
}

// run starts a container of a service on a node, with an address on each of the networks, as the engine does.
func (w *world) run(n *node, service model.ID, nets ...string) *container {
	w.t.Helper()
	w.made++
	c := &container{id: id(3000 + w.made), node: n, addrs: map[string]netip.Addr{}}
	name := fmt.Sprintf("container%d", w.made)
	c.path, c.space = filepath.Join(w.dir, name), w.namespace(name)
	box := network.Sandbox{Key: c.path, Owner: c.id}
	for i, name := range nets {
		addr := w.net(name).Subnet.Masked().Addr().As4()
		addr[3] += byte(100 + w.made)
		c.addrs[name] = netip.AddrFrom4(addr)
		l := network.Link{Endpoint: c.id, Network: w.net(name).ID, Addr: netip.PrefixFrom(c.addrs[name], w.net(name).Subnet.Bits())}
		w.connect(c, l, w.net(name), fmt.Sprintf("eth%d", i))
		box.Links = append(box.Links, l)
		w.on(name, func(net *network.Network) {
			net.Endpoints[c.id] = &network.Endpoint{ID: c.id, Service: service, Node: n.id, Addr: c.addrs[name], Serving: true}
		})
	}
	n.boxes = append(n.boxes, box)
	return c
}

// connect attaches a container and moves the interface into it.
func (w *world) connect(c *container, l network.Link, net *network.Network, as string) {
	w.t.Helper()
	mtu := network.MTU(net, network.Settings{MTU: 1500, Underlay: c.node.underlay})
	peer, err := c.node.k.Attach(w.t.Context(), net, l, mtu)
	require.NoError(w.t, err)
	again, err := c.node.k.Attach(w.t.Context(), net, l, mtu)
	require.NoError(w.t, err)
	require.Equal(w.t, peer, again)
	eth, err := c.node.link(peer)
	require.NoError(w.t, err)
	require.NotNil(w.t, eth)
	require.NoError(w.t, c.node.route.LinkSetNsFd(eth, int(c.ns)))
	require.NoError(w.t, c.route.LinkSetName(eth, as))
	require.NoError(w.t, c.setAddrs(eth, l.Addr))
	require.NoError(w.t, c.route.LinkSetUp(eth))
	if net.Ingress {
		require.NoError(w.t, c.route.RouteAdd(&netlink.Route{LinkIndex: eth.Attrs().Index, Gw: c.node.ingress.AsSlice()}))
	}
}

// serve says whether a container's endpoint on a network is to be given connections.
func (w *world) serve(c *container, net string, serving bool) {
	w.on(net, func(n *network.Network) {
		e := *n.Endpoints[c.id]
		e.Serving = serving
		n.Endpoints[c.id] = &e
	})
}

// sync brings every node to what is wanted.
func (w *world) sync() {
	w.t.Helper()
	for _, n := range w.nodes {
		n.sync()
	}
}

func (n *node) plan() *network.Desired {
	n.want = network.Replan(n.want, n.w.fabric, n.id, n.boxes, network.Settings{Underlay: n.underlay, MTU: 1500, Encryption: n.own})
	return n.want
}

func (n *node) sync() {
	n.w.t.Helper()
	require.NoError(n.w.t, n.k.Sync(n.w.t.Context(), n.plan()))
}

// check looks that every node holds exactly what it should.
func (w *world) check() {
	w.t.Helper()
	for _, n := range w.nodes {
		drift, err := n.k.Audit(context.Background(), n.plan())
		if err != nil || len(drift) > 0 {
			w.t.Errorf("node %s: %v %v", n.id, drift, err)
		}
	}
}
