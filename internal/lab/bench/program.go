package bench

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network"
	"github.com/skep-org/skep/internal/network/kernel"
)

// The sizes of Programming.
const (
	programServices   = 1000
	programTasks      = 10 // of each service
	programNodes      = 100
	programContainers = 10 // on the node that is programmed, all on the network of all services
	programChanges    = 21
)

// Programming measures how long a node's kernel takes to hold a network of a thousand services with ten tasks each, all
// of them published, in ten containers and on the host; and then to follow when one task stops serving.
func Programming(ctx context.Context) (full, change time.Duration, err error) {
	host, end, err := namespace(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer end()
	dir, err := os.MkdirTemp("", "sk")
	if err != nil {
		return 0, 0, fmt.Errorf("making a directory for namespaces: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	k, err := kernel.New(kernel.Options{Dir: dir, Host: host})
	if err != nil {
		return 0, 0, err
	}
	w := newProgram()
	for range programContainers {
		key, end, err := namespace(ctx)
		if err != nil {
			return 0, 0, err
		}
		defer end()
		w.boxes = append(w.boxes, network.Sandbox{Key: key, Owner: w.id(), Links: []network.Link{w.link()}})
	}
	defer func() { err = errors.Join(err, k.Purge(context.WithoutCancel(ctx)), k.Close()) }()
	began := time.Now()
	plan := w.plan(nil)
	if err := k.Sync(ctx, plan); err != nil {
		return 0, 0, fmt.Errorf("the full sync: %w", err)
	}
	full = time.Since(began)
	var changes []float64
	for i := range programChanges {
		w.stop(i)
		began := time.Now()
		plan = w.plan(plan)
		if err := k.Sync(ctx, plan); err != nil {
			return 0, 0, fmt.Errorf("change %d: %w", i+1, err)
		}
		changes = append(changes, time.Since(began).Seconds())
	}
	return full, time.Duration(median(changes) * float64(time.Second)), nil
}

// namespace makes a network namespace that lasts until end is called.
func namespace(ctx context.Context) (path string, end func(), err error) {
	cmd := exec.CommandContext(ctx, "unshare", "--net", "sh", "-c", "ip link set lo up && echo up && exec sleep 600")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("making a network namespace: %w", err)
	}
	end = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	if _, err := out.Read(make([]byte, 8)); err != nil {
		end()
		return "", nil, fmt.Errorf("making a network namespace: %w", err)
	}
	return "/proc/" + strconv.Itoa(cmd.Process.Pid) + "/ns/net", end, nil
}

// program is a cluster as the managers tell of it.
type program struct {
	fabric    *network.Fabric
	self      model.ID
	overlay   *network.Network
	ingress   *network.Network
	endpoints []model.ID // of the overlay, in the order they were made
	boxes     []network.Sandbox
	ids       uint64
}

func (w *program) id() (id model.ID) {
	w.ids++
	binary.BigEndian.PutUint64(id[8:], w.ids)
	id[0] = 1
	return id
}

// place is the n-th address of a network.
func place(p netip.Prefix, n int) netip.Addr {
	a := p.Addr().As4()
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, binary.BigEndian.Uint32(a[:])+uint32(n))))
}

func newProgram() *program {
	w := &program{fabric: network.NewFabric()}
	w.overlay = &network.Network{ID: w.id(), Name: "wide", VNI: 4097, Subnet: netip.MustParsePrefix("10.64.0.0/15")}
	w.overlay.Gateway = place(w.overlay.Subnet, 1)
	w.ingress = &network.Network{ID: w.id(), Name: "ingress", VNI: 4096, Subnet: netip.MustParsePrefix("10.66.0.0/15"), Ingress: true}
	var nodes []model.ID
	w.fabric.Nodes = map[model.ID]network.Node{}
	for i := range programNodes {
		id := w.id()
		nodes = append(nodes, id)
		w.fabric.Nodes[id] = network.Node{ID: id, Underlay: netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}), Ingress: netip.PrefixFrom(place(w.ingress.Subnet, i+2), 15)}
	}
	w.self = nodes[0]
	for _, n := range []*network.Network{w.overlay, w.ingress} {
		n.Services, n.Endpoints = map[model.ID]*network.Service{}, map[model.ID]*network.Endpoint{}
	}
	for i := range programServices {
		svc := w.id()
		w.overlay.Services[svc] = &network.Service{ID: svc, Name: fmt.Sprintf("s%d", i), VIP: place(w.overlay.Subnet, 2+i)}
		w.ingress.Services[svc] = &network.Service{ID: svc, Name: fmt.Sprintf("s%d", i), Ports: []network.Port{{Protocol: "tcp", Published: uint16(20000 + i), Target: 8080}}}
		for j := range programTasks {
			id, at := w.id(), 2000+i*programTasks+j
			node := nodes[1+at%(programNodes-1)]
			w.endpoints = append(w.endpoints, id)
			for _, n := range []*network.Network{w.overlay, w.ingress} {
				n.Endpoints[id] = &network.Endpoint{ID: id, Service: svc, Node: node, Addr: place(n.Subnet, at), Serving: true}
			}
		}
	}
	return w
}

// link is one more container of this node on the overlay.
func (w *program) link() network.Link {
	id, addr := w.id(), place(w.overlay.Subnet, 60000+len(w.boxes))
	w.overlay.Endpoints[id] = &network.Endpoint{ID: id, Node: w.self, Addr: addr}
	return network.Link{Endpoint: id, Network: w.overlay.ID, Addr: netip.PrefixFrom(addr, w.overlay.Subnet.Bits())}
}

// stop has the first task of the i-th service serve no more: in new networks, as a message of the managers does it.
func (w *program) stop(i int) {
	id := w.endpoints[i*programTasks]
	for _, n := range []**network.Network{&w.overlay, &w.ingress} {
		next := **n
		next.Endpoints = maps.Clone(next.Endpoints)
		e := *next.Endpoints[id]
		e.Serving = false
		next.Endpoints[id] = &e
		*n = &next
	}
}

func (w *program) plan(before *network.Desired) *network.Desired {
	f := *w.fabric
	f.Networks = map[model.ID]*network.Network{w.overlay.ID: w.overlay, w.ingress.ID: w.ingress}
	w.fabric = &f
	return network.Replan(before, w.fabric, w.self, w.boxes, network.Settings{})
}
