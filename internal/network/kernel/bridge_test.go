package kernel

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/skep-org/skep/internal/network"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
)

// onBridge is a container on a network of the engine's own, behind a bridge of the node.
func (n *node) onBridge(bridge, subnet string) *space {
	n.w.t.Helper()
	inside := netip.MustParsePrefix(subnet)
	gateway := inside.Addr().Next()
	addr := gateway.Next()
	n.exec("ip", "link", "add", bridge, "type", "bridge")
	n.exec("ip", "addr", "add", netip.PrefixFrom(gateway, inside.Bits()).String(), "dev", bridge)
	n.exec("ip", "link", "set", bridge, "up")
	c := n.w.namespace("on" + bridge)
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "eth0"
	pair := netlink.NewVeth(attrs)
	pair.PeerName, pair.PeerNamespace = "v"+addr.String(), netlink.NsFd(int(n.ns))
	require.NoError(n.w.t, c.route.LinkAdd(pair))
	eth, err := c.link("eth0")
	require.NoError(n.w.t, err)
	require.NoError(n.w.t, c.setAddrs(eth, netip.PrefixFrom(addr, inside.Bits())))
	require.NoError(n.w.t, c.route.LinkSetUp(eth))
	c.exec(n.w.t, "ip", "route", "add", "default", "via", gateway.String())
	n.exec("ip", "link", "set", pair.PeerName, "master", bridge, "up")
	return c
}

// TestEngineNetworksAreApart: a container of the ingress network finds one on a network of the engine's by its published
// port alone, whatever the engine's own policy is. What others name nearly so is the outside.
func TestEngineNetworksAreApart(t *testing.T) {
	w := newWorld(t, 1)
	n := w.nodes[0]
	c := w.run(n, w.service(2, "ingress", "", ports(8081, 80)...), "ingress")
	w.sync()
	defer w.check()
	n.exec("iptables", "-P", "FORWARD", "ACCEPT")
	for bridge, apart := range map[string]bool{"docker0": true, "docker_gwbridge": true, "br-0123456789ab": true, "br-ex": false} {
		subnet := map[string]string{"docker0": "172.17.0.0/16", "docker_gwbridge": "172.18.0.0/16", "br-0123456789ab": "172.19.0.0/16", "br-ex": "172.20.0.0/16"}[bridge]
		db := n.onBridge(bridge, subnet)
		serve(t, db, "db", 5432)
		addr := netip.MustParsePrefix(subnet).Addr().Next().Next().String() + ":5432"
		if !apart {
			_, _, err := ask(c.space, "tcp", addr, patience)
			require.NoError(t, err, bridge)
			continue
		}
		_, _, err := ask(c.space, "tcp", addr, impatience)
		require.Error(t, err, bridge)
		n.exec("iptables", "-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport", "15432", "-j", "DNAT", "--to-destination", addr)
		who, _, err := ask(c.space, "tcp", n.underlay.String()+":15432", patience)
		require.NoError(t, err, "published by %s", bridge)
		require.Equal(t, "db", who)
		n.exec("iptables", "-t", "nat", "-F", "PREROUTING")
	}
}

// TestForgedFromContainer: a container on a bridge of the engine's sends overlay packets that bear another node's address.
// Hosts differ in whether they look at that themselves.
func TestForgedFromContainer(t *testing.T) {
	w := newWorld(t, 1)
	n := w.nodes[0]
	a := w.run(n, id(0), "red")
	far := netip.MustParseAddr("192.0.2.77")
	w.change(func(f *network.Fabric) { f.Nodes[id(77)] = network.Node{ID: id(77), Underlay: far} })
	w.sync()
	defer w.check()
	liar := n.onBridge("docker0", "172.17.0.0/16")
	liar.exec(t, "ip", "addr", "add", far.String()+"/32", "dev", "lo")
	honest := w.namespace("member")
	w.plug(honest, 77, far)
	var pc net.PacketConn
	require.NoError(t, a.do(func() (err error) {
		pc, err = net.ListenPacket("udp4", ":9")
		return err
	}))
	defer func() { _ = pc.Close() }()
	arrives := func(from *space) bool {
		t.Helper()
		require.NoError(t, from.do(func() error {
			c, err := net.DialUDP("udp4", &net.UDPAddr{IP: far.AsSlice()}, &net.UDPAddr{IP: n.underlay.AsSlice(), Port: 4789})
			if err != nil {
				return err
			}
			defer func() { _ = c.Close() }()
			_, err = c.Write(forged(w.net("red").VNI, a.addrs["red"], netip.MustParseAddr("10.100.2.200")))
			return err
		}))
		require.NoError(t, pc.SetReadDeadline(time.Now().Add(impatience)))
		_, _, err := pc.ReadFrom(make([]byte, 64))
		require.True(t, err == nil || errors.Is(err, os.ErrDeadlineExceeded), "%v", err)
		return err == nil
	}
	for _, lax := range []string{"0", "2"} {
		require.NoError(t, n.setSysctls([][2]string{{"net/ipv4/conf/all/rp_filter", lax}, {"net/ipv4/conf/docker0/rp_filter", lax}}))
		require.False(t, arrives(liar), "rp_filter %s", lax)
		require.True(t, arrives(honest), "from that node; else the packet is not well forged")
	}
}
