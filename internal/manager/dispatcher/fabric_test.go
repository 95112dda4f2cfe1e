package dispatcher

import (
	"fmt"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/agent"
	"github.com/skep-org/skep/internal/model"
	fabrics "github.com/skep-org/skep/internal/network"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
	"pgregory.net/rapid"
)

// peer is a node whose agent is the real one, and whose data plane says when it is as of what it was told.
type peer struct {
	name    string
	agent   *agent.Machine
	session SessionID
	open    bool
	came    time.Time       // when the session was opened
	went    time.Time       // when the one before it ended
	told    *fabrics.Fabric // the sum of what came
	applied *fabrics.Fabric // as of the last answer
	queue   []heardFabric   // told and not answered
}

type heardFabric struct {
	at     time.Time
	msg    *wire.Fabric
	fabric *fabrics.Fabric
}

// fleet is a dispatcher and the agents of its nodes.
type fleet struct {
	few int // as of fabric.few
	*script
	t       *testing.T
	rt      *rapid.T
	peers   []*peer
	nonce   uint64
	stopped map[model.ID]time.Time // tasks that are to stop, since when
}

func newFleet(t *testing.T, rt *rapid.T, nodes int) *fleet {
	f := &fleet{script: newScript(t), t: t, rt: rt, stopped: map[model.ID]time.Time{}}
	f.m.fabric.partSize = 300
	for i := range nodes {
		n := fmt.Sprintf("n%d", i+1)
		f.write(t, store.WriterAPI, store.NodeSpecs.Put(&model.NodeSpec{ID: id(n)}))
		f.peers = append(f.peers, newPeer(t, n))
	}
	return f
}

func newPeer(t *testing.T, name string) *peer {
	m, err := agent.New(agent.Options{NodeID: id(name)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	m.Describe(swarm.NodeDescription{Hostname: name})
	return &peer{name: name, agent: m, told: fabrics.NewFabric(), applied: fabrics.NewFabric()}
}

func (f *fleet) connect(p *peer) {
	f.disconnect(p)
	f.nonce++
	p.session, p.open, p.came = f.m.Open(id(p.name), "192.0.2."+p.name[1:]), true, f.now
	p.agent.Connected(f.nonce)
}

func (f *fleet) disconnect(p *peer) {
	if p.open {
		f.m.Closed(f.now, p.session)
		p.agent.Disconnected()
		p.went = f.now
	}
	p.open = false
}

// run carries messages until there is nothing left to say.
func (f *fleet) run() {
	f.rt.Helper()
	for quiet := 0; quiet < 2; quiet++ {
		before := f.store.View().Index()
		out, _, err := f.m.Step(f.now)
		if err != nil {
			f.rt.Fatal(err)
		}
		for _, e := range out {
			f.receive(e)
		}
		for _, p := range f.peers {
			if f.step(p) {
				quiet = 0
			}
		}
		if len(out) > 0 || f.store.View().Index() != before {
			quiet = 0
		}
	}
}

func (f *fleet) receive(e Envelope) {
	for _, p := range f.peers {
		if !p.open || p.session != e.Session {
			continue
		}
		if a := e.Msg.GetAssignments(); a != nil {
			f.assigned(p, a)
		}
		p.agent.Receive(f.now, e.Msg)
		f.step(p)
		if e.End {
			f.disconnect(p)
		}
	}
}

// step has an agent say what it has to say, and hands on what the managers say of the networks.
func (f *fleet) step(p *peer) (busy bool) {
	out, _ := p.agent.Step(f.now)
	for _, msg := range out.Fabric {
		next, err := p.told.Apply(msg)
		if err != nil {
			f.rt.Fatalf("%s: %v", p.name, err)
		}
		p.told = next
		p.queue = append(p.queue, heardFabric{f.now, msg, next})
	}
	for _, msg := range out.Send {
		if p.open {
			f.m.Deliver(f.now, p.session, msg)
		}
	}
	if out.Hangup {
		f.disconnect(p)
	}
	return len(out.Send) > 0
}

// answer has a node's data plane come up to so many of the messages that it was told.
func (f *fleet) answer(p *peer, count int) {
	if count == 0 || len(p.queue) == 0 {
		return
	}
	last := p.queue[min(count, len(p.queue))-1]
	p.queue = p.queue[min(count, len(p.queue)):]
	p.applied = last.fabric
	p.agent.FabricApplied(last.msg.Nonce, last.msg.Seq)
}

// slow reports whether a node has not answered for so long that nobody has to wait for it.
func (f *fleet) slow(p *peer) bool {
	return len(p.queue) > 0 && f.now.Sub(p.queue[0].at) >= withdrawWait
}

// assigned checks what leaves for a node: nothing is told to stop that another node balances to.
func (f *fleet) assigned(to *peer, a *wire.Assignments) {
	var ending [][]byte
	for _, t := range a.Tasks {
		if model.State(t.Desired) >= model.StateShutdown {
			ending = append(ending, t.Id)
		}
	}
	for _, raw := range append(ending, a.Removed...) {
		task := model.ID(raw)
		st := store.Statuses.ByID(f.store.View(), task)
		if at, ok := f.stopped[task]; ok && f.now.Sub(at) >= withdrawWait || st != nil && st.State.Terminal() {
			continue
		}
		for _, p := range f.peers {
			missed := !p.came.Before(f.stopped[task]) && f.stopped[task].Sub(p.went) >= returnWait
			if !p.open || f.slow(p) || f.down(to) || missed {
				continue
			}
			for _, n := range p.applied.Networks {
				if e := n.Endpoints[task]; e != nil && e.Serving {
					f.rt.Fatalf("%s is told to stop %s, which %s balances to", to.name, label(raw), p.name)
				}
			}
		}
	}
}

// down reports whether a node was taken for dead: what it had is not balanced to, whatever the others say.
func (f *fleet) down(p *peer) bool {
	st := store.NodeStates.ByID(f.store.View(), id(p.name))
	return st == nil || st.State == model.ReachDown
}

// check holds each node's fabric against what a leader that knows nothing but the tables would tell it.
func (f *fleet) check() {
	for _, p := range f.peers {
		if !p.open {
			continue
		}
		whole := f.whole(p.name)
		f.sameNodes(p, whole)
		f.same(p, whole)
		for n := range p.told.Networks {
			if !f.isOn(id(p.name), n) {
				f.rt.Fatalf("%s was told of network %s and has nothing on it", p.name, label(n[:]))
			}
		}
	}
}

// sameNodes holds the nodes that a node was told of against all there are. In a large cluster it needs to know those only that
// something is on of what it was told, and itself.
func (f *fleet) sameNodes(p *peer, whole *fabrics.Fabric) {
	if f.m.fabric.tellsAll() && !reflect.DeepEqual(whole.Nodes, p.told.Nodes) {
		f.rt.Fatalf("%s was told of nodes %v, they are %v", p.name, p.told.Nodes, whole.Nodes)
	}
	for id, n := range p.told.Nodes {
		if whole.Nodes[id] != n {
			f.rt.Fatalf("%s was told of node %v, it is %v", p.name, n, whole.Nodes[id])
		}
	}
	needs := map[model.ID]bool{id(p.name): true}
	for _, n := range p.told.Networks {
		for _, e := range n.Endpoints {
			needs[e.Node] = true
		}
	}
	for node := range needs {
		if _, there := whole.Nodes[node]; there && p.told.Nodes[node] != whole.Nodes[node] {
			f.rt.Fatalf("%s was not told of node %s, and has to do with it", p.name, label(node[:]))
		}
	}
}

func (f *fleet) same(p *peer, whole *fabrics.Fabric) {
	for n, want := range whole.Networks {
		got := p.told.Networks[n]
		if got == nil {
			f.rt.Fatalf("%s was not told of network %s", p.name, label(n[:]))
		}
		for e, w := range want.Endpoints {
			if !reflect.DeepEqual(w, got.Endpoints[e]) {
				f.rt.Fatalf("%s has endpoint %s on %s as %+v, it is %+v", p.name, label(e[:]), label(n[:]), got.Endpoints[e], w)
			}
		}
		for s, w := range want.Services {
			if !reflect.DeepEqual(w, got.Services[s]) {
				f.rt.Fatalf("%s has service %s on %s as %+v, it is %+v", p.name, label(s[:]), label(n[:]), got.Services[s], w)
			}
		}
		if !reflect.DeepEqual(want, got) {
			f.rt.Fatalf("%s has network %s as %+v, it is %+v", p.name, label(n[:]), got, want)
		}
	}
	if len(whole.Networks) != len(p.told.Networks) {
		f.rt.Fatalf("%s has %d networks, there are %d", p.name, len(p.told.Networks), len(whole.Networks))
	}
}

// whole is a node's fabric as a new leader's first messages make it.
func (f *fleet) whole(node string) *fabrics.Fabric {
	m := New(f.store, swallow{})
	sid := m.Open(id(node), "192.0.2.1")
	m.Deliver(f.now, sid, wire.FromHello(&wire.Hello{NodeId: wire.Bytes(id(node)), Description: []byte(`{}`), Nonce: 1}))
	out, _, err := m.Step(f.now)
	if err != nil {
		f.rt.Fatal(err)
	}
	whole := fabrics.NewFabric()
	for _, e := range out {
		if msg := e.Msg.GetFabric(); msg != nil {
			if whole, err = whole.Apply(msg); err != nil {
				f.rt.Fatal(err)
			}
		}
	}
	return whole
}

// isOn reports whether a node has anything on a network.
func (f *fleet) isOn(node, network model.ID) bool {
	v := f.store.View()
	if n := store.Networks.ByID(v, network); n != nil && n.Spec.Get().Ingress {
		return true
	}
	has := func(owner model.ID) bool {
		a := store.Allocations.ByID(v, owner)
		for i := 0; a != nil && i < len(a.Networks); i++ {
			if a.Networks[i].NetworkID == network {
				return true
			}
		}
		return false
	}
	for p := range store.PlacedOn(v, node) {
		if has(p.TaskID) {
			return true
		}
	}
	for g := range store.GuestsOf(v, node) {
		if has(g.ID) {
			return true
		}
	}
	return false
}

// swallow commits nothing.
type swallow struct{}

func (swallow) Commit(*store.Batch) *store.Pending { return store.NewPending() }

// addrOf is an address on a network of the tests.
func addrOf(network, host int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(network), 0, byte(host)}), 24)
}
