package dataplane

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network"
	"github.com/skep-org/skep/internal/network/dns"
	"github.com/skep-org/skep/internal/network/kernel"
	"github.com/skep-org/skep/internal/wire"
)

// memory is a disk.
type memory struct {
	mu sync.Mutex
	b  []byte
}

func (m *memory) Load() ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.b, nil
}

func (m *memory) Save(b []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.b = slices.Clone(b)
	return nil
}

// content is what is on it.
func (m *memory) content() []byte {
	b, _ := m.Load() // never fails
	return b
}

// fakeKernel holds what it is told to hold.
type fakeKernel struct {
	mu         sync.Mutex
	links      map[string]bool
	want       *network.Desired
	syncs      int
	broken     error
	drifts     []network.Drift
	audits     int
	auditTakes time.Duration
	standing   map[string]bool
	purged     bool

	made   int
	left   network.Keys
	forgot []network.Key
	live   map[network.Key]struct{}
	lost   chan struct{}
}

func (k *fakeKernel) Attach(_ context.Context, _ *network.Network, l network.Link, _ int) (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.links[l.Name()] = true
	return network.PeerName(l.Name()), nil
}

func (k *fakeKernel) Detach(_ context.Context, l network.Link) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.links, l.Name())
	return nil
}

func (k *fakeKernel) Sync(_ context.Context, want *network.Desired) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.syncs++
	if k.broken != nil {
		return k.broken
	}
	k.want, k.drifts = want, nil
	for key := range want.Boxes {
		if !k.standing[key] {
			return fmt.Errorf("container %s: %w", key, kernel.ErrNotYet)
		}
	}
	return nil
}

func (k *fakeKernel) Programmed(box string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.want != nil && k.want.Boxes[box] != nil && k.standing[box]
}

func (k *fakeKernel) Audit(context.Context, *network.Desired) ([]network.Drift, error) {
	k.mu.Lock()
	takes, drifts := k.auditTakes, k.drifts
	k.audits++
	k.mu.Unlock()
	time.Sleep(takes)
	return drifts, nil
}

func (k *fakeKernel) Means() (string, error) { return kernel.MeansProcess, nil }

func (k *fakeKernel) NewKey(generation uint64) (network.NodeKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.made++
	return network.NodeKey{Generation: generation, Key: network.Key{byte(k.made)}, Port: 51830 + uint16(generation%2)}, nil
}

func (k *fakeKernel) Forget(key network.Key) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.forgot = append(k.forgot, key)
}

func (k *fakeKernel) Keys() (network.Keys, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.left, nil
}

func (k *fakeKernel) Live() (map[network.Key]struct{}, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return maps.Clone(k.live), nil
}

func (k *fakeKernel) Lost() <-chan struct{} { return k.lost }

func (k *fakeKernel) Findings() ([]network.Finding, error) { return nil, nil }

func (k *fakeKernel) Listen(context.Context, model.ID, netip.AddrPort) (net.PacketConn, net.Listener, error) {
	return nil, nil, nil
}

func (k *fakeKernel) Purge(context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.purged = true
	return nil
}

// stand makes a namespace of a sandbox.
func (k *fakeKernel) stand(key string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.standing[key] = true
}

func (k *fakeKernel) stands(key string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.standing[key]
}

func (k *fakeKernel) set(f func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f()
}

// fakeNames serves until it is told to end.
type fakeNames struct {
	mu     sync.Mutex
	serves map[model.ID]int
}

func (n *fakeNames) Set(*dns.Zones) {}

func (n *fakeNames) Serve(ctx context.Context, id model.ID, _ net.PacketConn, _ net.Listener) error {
	n.mu.Lock()
	n.serves[id]++
	n.mu.Unlock()
	<-ctx.Done()
	n.mu.Lock()
	n.serves[id]--
	n.mu.Unlock()
	return ctx.Err()
}

// fakeEngine tells what it has.
type fakeEngine struct {
	mu     sync.Mutex
	realms []Realm
	down   bool
}

func (e *fakeEngine) Realms(context.Context, func(string) bool) ([]Realm, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.down {
		return nil, errors.New("the engine is away")
	}
	return slices.Clone(e.realms), nil
}

func (e *fakeEngine) Watch(ctx context.Context, changed func()) error {
	changed()
	<-ctx.Done()
	return ctx.Err()
}

func (e *fakeEngine) has(realms ...Realm) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.realms = realms
}

// world is a node's surroundings, which outlive a plane.
type world struct {
	t                      *testing.T
	kernel                 *fakeKernel
	names                  *fakeNames
	engine                 *fakeEngine
	fabric, realms, places memory
	settings               func(known netip.Addr) network.Settings

	mu      sync.Mutex
	applied []ack
	refused []uint64
	guests  *wire.Guests
}

func newWorld(t *testing.T) *world {
	return &world{
		t: t, kernel: &fakeKernel{links: map[string]bool{}, standing: map[string]bool{}},
		names: &fakeNames{serves: map[model.ID]int{}}, engine: &fakeEngine{},
	}
}

// run runs a plane; stop ends it as a daemon's end does.
func (w *world) run() (p *Plane, stop func()) {
	w.t.Helper()
	p, err := New(Config{
		Self: self, Kernel: w.kernel, Names: w.names, Engine: w.engine, Env: env.Real(), Log: slog.New(slog.DiscardHandler),
		Fabric: &w.fabric, Realms: &w.realms, Places: &w.places, Registry: prometheus.NewRegistry(),
		Applied: func(nonce, seq uint64) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if n := len(w.applied); n == 0 || w.applied[n-1] != (ack{nonce, seq}) {
				w.applied = append(w.applied, ack{nonce, seq})
			}
		},
		Refused: func(nonce uint64) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.refused = append(w.refused, nonce)
		},
		Guests: func(g *wire.Guests) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.guests = g
		},
		Standing: w.kernel.stands, Settings: w.settings,
		Free: func(port network.Port) (uint16, error) {
			if port.Published == 0 {
				return 32000, nil
			}
			return port.Published, nil
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	synctest.Wait()
	return p, func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			w.t.Error(err)
		}
	}
}

func (w *world) lastApplied() ack {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.applied) == 0 {
		return ack{}
	}
	return w.applied[len(w.applied)-1]
}

func (w *world) guestList() []*wire.Guest {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.guests.GetGuests()
}

var (
	self, other = model.NumID(1), model.NumID(2)
	net1        = model.NumID(100)
	task1       = model.NumID(1000)
)

// message is a fabric of one network with endpoints by id and address.
func message(nonce, seq uint64, endpoints map[model.ID]string) *wire.Fabric {
	subnet := netip.MustParsePrefix("10.0.1.0/24")
	node := func(id model.ID, addr string) *wire.FabricNode {
		return &wire.FabricNode{Id: wire.Bytes(id), Underlay: addrBytes(addr)}
	}
	n := &wire.FabricNetwork{Id: wire.Bytes(net1), Full: true, Network: &wire.Network{
		Id: wire.Bytes(net1), Name: "net1", Vni: 4097, Gateway: addrBytes("10.0.1.1"), Spec: model.DocOf(swarm.NetworkSpec{Attachable: true}).Raw(),
	}}
	n.Network.Subnet, _ = subnet.MarshalBinary()
	for id, addr := range endpoints {
		n.Endpoints = append(n.Endpoints, &wire.Endpoint{Id: wire.Bytes(id), NodeId: wire.Bytes(self), Addr: addrBytes(addr), Serving: true})
	}
	return &wire.Fabric{
		Full: true, Nonce: nonce, Seq: seq, Epoch: 1, Version: seq,
		Nodes: []*wire.FabricNode{node(self, "192.0.2.1"), node(other, "192.0.2.2")}, Networks: []*wire.FabricNetwork{n},
	}
}

func addrBytes(s string) []byte {
	b, _ := netip.MustParseAddr(s).MarshalBinary()
	return b
}
