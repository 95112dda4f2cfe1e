package agent_test

import (
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/agent"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/executor/simulated"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

// plane is a node's data plane: it is as of a message some time after it came.
type plane struct {
	mu     sync.Mutex
	fabric *network.Fabric
	delay  time.Duration
	agent  *agent.Agent
	wg     sync.WaitGroup
}

func (p *plane) take(f *wire.Fabric) {
	p.wg.Go(func() {
		time.Sleep(p.delay)
		p.mu.Lock()
		next, err := p.fabric.Apply(f)
		if err == nil {
			p.fabric = next
		}
		p.mu.Unlock()
		if err != nil {
			p.agent.FabricRefused(f.Nonce)
			return
		}
		p.agent.FabricApplied(f.Nonce, f.Seq)
	})
}

func (p *plane) endpoint(net, id model.ID) *network.Endpoint {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := p.fabric.Networks[net]; n != nil {
		return n.Endpoints[id]
	}
	return nil
}

// onNetwork is a path with a network, front, and one task on it; address allocates on the network.
type onNetwork struct {
	*path
	front model.ID
	task  model.Task
}

func newOnNetwork(t *testing.T) *onNetwork {
	p := &onNetwork{newPath(t, simulated.Config{}), model.NumID(3), model.Task{
		ID: model.NumID(10), ServiceID: model.NumID(9), Revision: model.NumID(2), Slot: 1, Desired: model.StateRunning,
	}}
	p.write(store.WriterAPI, store.Networks.Put(&model.Network{ID: p.front, Name: "front", Spec: model.DocOf(swarm.NetworkSpec{Attachable: true})}))
	p.address(p.front, model.AllocNetwork, 0)
	return p
}

func (p *onNetwork) address(owner model.ID, kind model.AllocKind, host byte) {
	at := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, host}), 24)
	p.write(store.WriterAllocator, store.Allocations.Put(&model.Allocation{
		Owner: owner, Kind: kind, Done: true, VNI: 4097, Networks: []model.NetworkAddr{{NetworkID: p.front, Addr: at}},
	}))
}

// start has the task run.
func (p *onNetwork) start() {
	p.want(model.StateRunning)
	p.address(p.task.ID, model.AllocTask, 5)
	p.write(store.WriterScheduler, store.Placements.Put(&model.Placement{TaskID: p.task.ID, NodeID: nodeID}))
	time.Sleep(2 * time.Second)
	p.is(10, model.StateRunning)
}

func (p *onNetwork) want(s model.State) {
	row := p.task
	row.Desired = s
	p.write(store.WriterOrchestrator, store.Tasks.Put(&row))
}

// TestNoDataPlane: a node that balances to nobody says so at once, nobody waits for it.
func TestNoDataPlane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newOnNetwork(t)
		defer p.startServer()()
		a, err := agent.NewAgent(agent.Config{
			Options: agent.Options{NodeID: nodeID}, Env: env.Real(), Executor: p.engine.Executor(), Dialer: p, Disk: p.disk,
		})
		if err != nil {
			t.Fatal(err)
		}
		stop := p.run(a.Run)
		defer func() { stop() }()
		p.start()
		p.want(model.StateShutdown)
		time.Sleep(500 * time.Millisecond)
		p.is(10, model.StateShutdown)
		if c := p.server.Counters(); c.Withdrawn != 1 || c.WithdrawnLate != 0 {
			t.Errorf("counted %+v", c)
		}
	})
}

// TestFabricPath: a node hears of the networks that its tasks are on, a task stops when the node has said that it
// balances to it no more, and a guest that the node reports comes back with its address.
func TestFabricPath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newOnNetwork(t)
		front, task, guest := p.front, p.task.ID, model.NumID(11)
		defer p.startServer()()
		pl := &plane{fabric: network.NewFabric(), delay: 400 * time.Millisecond}
		a, err := agent.NewAgent(agent.Config{
			Options: agent.Options{NodeID: nodeID}, Env: env.Real(), Executor: p.engine.Executor(), Dialer: p, Disk: p.disk,
			Fabric: pl.take,
		})
		if err != nil {
			t.Fatal(err)
		}
		pl.agent = a
		stop := p.run(a.Run)
		defer pl.wg.Wait()
		defer func() { stop() }()

		p.start()
		if e := pl.endpoint(front, task); e == nil || !e.Serving || e.Addr.String() != "10.0.0.5" {
			t.Fatalf("the node has the task as %+v", e)
		}

		p.want(model.StateShutdown)
		time.Sleep(300 * time.Millisecond)
		p.is(10, model.StateRunning) // the node balances to it still
		time.Sleep(300 * time.Millisecond)
		p.is(10, model.StateShutdown)

		a.SetGuests(&wire.Guests{Full: true, Guests: []*wire.Guest{{Id: wire.Bytes(guest), NetworkId: wire.Bytes(front), Names: []string{"shell"}}}})
		time.Sleep(time.Second)
		if row := store.Attachments.ByID(p.store.View(), guest); row == nil || row.NodeID != nodeID || row.NetworkID != front {
			t.Fatalf("the guest's row is %+v", row)
		}
		p.address(guest, model.AllocAttachment, 6)
		time.Sleep(time.Second)
		if e := pl.endpoint(front, guest); e == nil || e.Addr.String() != "10.0.0.6" || e.Names[0] != "shell" {
			t.Fatalf("the node has the guest as %+v", e)
		}
		a.SetGuests(&wire.Guests{Full: true})
		time.Sleep(time.Second)
		if store.Attachments.Len(p.store.View()) != 0 {
			t.Error("the guest is gone and its row is there")
		}
		if c := p.server.Counters(); c.Withdrawn != 1 || c.WithdrawnLate != 0 {
			t.Errorf("counted %+v", c)
		}
	})
}
