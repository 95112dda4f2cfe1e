package agent_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/agent"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/executor/simulated"
	"github.com/skep-org/skep/internal/manager/dispatcher"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var nodeID = model.NumID(7)

// path is the way from a store over a dispatcher and an agent to an engine and back, with the shells that run it in
// production. It lives in a synctest bubble.
type path struct {
	t      *testing.T
	store  *store.Store
	engine *simulated.Engine
	disk   *memory

	mu     sync.Mutex // Direct belongs to one goroutine at a time
	direct store.Direct
	server *dispatcher.Server

	peers  []agent.Peers
	opened int
}

// told is what the agent's node has heard.
func (p *path) told() ([]agent.Peers, int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.peers, p.opened
}

func newPath(t *testing.T, c simulated.Config) *path {
	p := &path{t: t, store: store.New(), disk: &memory{}}
	p.direct = store.Direct{Store: p.store, Now: time.Now}
	p.engine = simulated.NewEngine(env.Env{Clock: env.Real(), Rand: env.Seeded(1, nil).Rand}, c)
	p.write(store.WriterInit, store.Clusters.Put(&model.Cluster{ID: model.NumID(1), Epoch: 1}))
	p.write(store.WriterAPI, store.NodeSpecs.Put(&model.NodeSpec{ID: nodeID}))
	rev := model.DocOf(swarm.ServiceSpec{Annotations: swarm.Annotations{Name: "web"}, TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Image: "web"}}})
	p.write(store.WriterAPI, store.Revisions.Put(&model.ServiceRevision{ID: model.NumID(2), Spec: rev}))
	return p
}

func (p *path) Commit(b *store.Batch) *store.Pending {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.direct.Commit(b)
}

func (p *path) write(w store.Writer, changes ...store.Change) {
	p.t.Helper()
	if _, _, err := p.Commit(&store.Batch{Writer: w, Changes: changes}).Result(); err != nil {
		p.t.Fatal(err)
	}
}

// run starts something and returns what stops it.
func (p *path) run(f func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(p.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := f(ctx); !errors.Is(err, context.Canceled) {
			p.t.Errorf("ended with %v", err)
		}
	}()
	return func() { cancel(); <-done }
}

func (p *path) startServer() (stop func()) {
	s := dispatcher.NewServer(p.store, p, env.Real())
	p.mu.Lock()
	p.server = s
	p.mu.Unlock()
	return p.run(s.Run)
}

func (p *path) Dial(context.Context) (wire.Session, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.server.Connect(nodeID, "192.0.2.7"), nil
}

func (p *path) startAgent() (stop func()) {
	return p.run(p.agent().Run)
}

func (p *path) agent() *agent.Agent {
	a, err := agent.NewAgent(agent.Config{
		Options: agent.Options{NodeID: nodeID}, Env: env.Real(), Executor: p.engine.Executor(), Dialer: p, Disk: p.disk,
		Peers:    func(peers agent.Peers) { p.mu.Lock(); defer p.mu.Unlock(); p.peers = append(p.peers, peers) },
		OpenLogs: func(*wire.OpenLogs) { p.mu.Lock(); defer p.mu.Unlock(); p.opened++ },
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return a
}

// task writes a task as orchestrator, allocator and scheduler would.
func (p *path) task(n uint64, desired model.State) {
	id := model.NumID(n)
	p.write(store.WriterOrchestrator, store.Tasks.Put(&model.Task{ID: id, Revision: model.NumID(2), Slot: n, Desired: desired}))
	p.write(store.WriterAllocator, store.Allocations.Put(&model.Allocation{Owner: id, Kind: model.AllocTask, Done: true}))
	p.write(store.WriterScheduler, store.Placements.Put(&model.Placement{TaskID: id, NodeID: nodeID}))
}

func (p *path) is(n uint64, want model.State) {
	p.t.Helper()
	got := model.StateNew
	if st := store.Statuses.ByID(p.store.View(), model.NumID(n)); st != nil {
		got = st.State
	}
	if got != want {
		p.t.Errorf("task %d is %s, want %s", n, got, want)
	}
}

func (p *path) containers(want int) []executor.Container {
	p.t.Helper()
	list, err := p.engine.Executor().List(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	if len(list) != want {
		p.t.Errorf("there are %d containers, want %d: %v", len(list), want, list)
	}
	return list
}

type memory struct {
	mu   sync.Mutex
	kept []byte
}

func (m *memory) Load() ([]byte, error) { m.mu.Lock(); defer m.mu.Unlock(); return m.kept, nil }
func (m *memory) Save(b []byte) error   { m.mu.Lock(); defer m.mu.Unlock(); m.kept = b; return nil }

// TestPath follows one task from its rows to a container, its status back to a row, and its end.
func TestPath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPath(t, simulated.Config{Prepare: simulated.Exactly(time.Second), Start: simulated.Exactly(time.Second), Stop: simulated.Exactly(time.Second)})
		defer p.startServer()()
		defer p.startAgent()()
		p.task(10, model.StateRunning)
		time.Sleep(500 * time.Millisecond)
		p.is(10, model.StatePreparing)
		time.Sleep(time.Second)
		p.is(10, model.StateStarting)
		time.Sleep(time.Second)
		p.is(10, model.StateRunning)
		if st := store.NodeStates.ByID(p.store.View(), nodeID); st == nil || st.State != model.ReachReady || st.Addr != "192.0.2.7" {
			t.Errorf("the node's state is %+v", st)
		}
		p.task(10, model.StateShutdown)
		time.Sleep(2 * time.Second)
		p.is(10, model.StateShutdown)
		p.containers(1)
		p.write(store.WriterOrchestrator, store.Tasks.Delete(model.KeyOf(model.NumID(10))))
		time.Sleep(time.Second)
		p.containers(0)
		p.is(10, model.StateNew) // its status row is gone
	})
}

// TestRestarts ends agent and dispatcher at awkward moments: containers run on and are adopted, none twice.
func TestRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPath(t, simulated.Config{Prepare: simulated.Exactly(time.Second), Start: simulated.Exactly(time.Second)})
		stopServer, stopAgent := p.startServer(), p.startAgent()
		for n := range uint64(5) {
			p.task(10+n, model.StateRunning)
			time.Sleep(300 * time.Millisecond)
		}
		stopAgent()
		stopAgent = p.startAgent()
		time.Sleep(time.Second)
		stopServer()
		stopServer = p.startServer()
		time.Sleep(5 * time.Second)
		before := p.containers(5)
		stopAgent()
		stopServer()
		stopServer, stopAgent = p.startServer(), p.startAgent()
		time.Sleep(5 * time.Second)
		after := p.containers(5)
		for n := range before {
			p.is(10+uint64(n), model.StateRunning)
			if before[n].ID != after[n].ID || before[n].PID != after[n].PID {
				t.Errorf("task %d has another container after the restart", 10+n)
			}
		}
		stopAgent()
		time.Sleep(time.Second)
		if st := store.NodeStates.ByID(p.store.View(), nodeID); st.State != model.ReachDisconnected {
			t.Errorf("a node without its agent is %v, want disconnected", st.State)
		}
		time.Sleep(50 * time.Second)
		if st := store.NodeStates.ByID(p.store.View(), nodeID); st.State != model.ReachDisconnected {
			t.Errorf("a node that announced its restart is %v after fifty seconds, want disconnected", st.State)
		}
		time.Sleep(20 * time.Second)
		if st := store.NodeStates.ByID(p.store.View(), nodeID); st.State != model.ReachDown {
			t.Errorf("a node without its agent after its lease is %v, want down", st.State)
		}
		stopServer()
	})
}

// TestEngineLost: while the engine cannot be reached nothing is reported, afterwards what happened meanwhile.
func TestEngineLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPath(t, simulated.Config{Prepare: simulated.Exactly(time.Second)})
		defer p.startServer()()
		defer p.startAgent()()
		p.task(10, model.StateRunning)
		p.task(11, model.StateRunning)
		time.Sleep(2 * time.Second)
		p.task(12, model.StateRunning)
		time.Sleep(500 * time.Millisecond)
		p.engine.Do(func(m *simulated.Machine, now time.Time) { m.Lose(now); m.Crash(model.NumID(11), 3, false, now) })
		time.Sleep(time.Minute)
		p.is(10, model.StateRunning)
		p.is(11, model.StateRunning)
		p.is(12, model.StatePreparing)
		p.engine.Do(func(m *simulated.Machine, _ time.Time) { m.Recover() })
		time.Sleep(10 * time.Second)
		p.is(10, model.StateRunning)
		p.is(11, model.StateFailed)
		p.is(12, model.StateRunning)
	})
}

// TestEnds: a node that leaves is down at once; one that is removed ends by itself; its containers are there still.
func TestEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPath(t, simulated.Config{})
		defer p.startServer()()
		p.task(10, model.StateRunning)
		ended := make(chan error, 1)
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() { ended <- p.agent().Run(ctx) }()
		time.Sleep(10 * time.Second)
		p.is(10, model.StateRunning)
		cancel(agent.ErrLeaving)
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the agent of a leaving node ended with %v", err)
		}
		synctest.Wait()
		if st := store.NodeStates.ByID(p.store.View(), nodeID); st.State != model.ReachDown {
			t.Errorf("a node that has left is %v, want down", st.State)
		}
		go func() { ended <- p.agent().Run(t.Context()) }()
		time.Sleep(10 * time.Second)
		p.write(store.WriterAPI, store.NodeSpecs.Delete(model.KeyOf(nodeID)))
		if err := <-ended; !errors.Is(err, agent.ErrRemoved) {
			t.Errorf("the agent of a removed node ended with %v", err)
		}
		p.containers(1)
	})
}

// TestTold: the node hears of managers, of its role and of requests for output.
func TestTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPath(t, simulated.Config{})
		stop := p.startServer()
		defer func() { stop() }()
		defer p.startAgent()()
		p.write(store.WriterRaft, store.Members.Put(&model.Member{RaftID: 1, NodeID: nodeID, Addr: "192.0.2.7:2377"}))
		time.Sleep(time.Second)
		p.write(store.WriterIdentity, store.NodeIdentities.Put(&model.NodeIdentity{ID: nodeID, Role: model.RoleManager}))
		time.Sleep(time.Second)
		peers, _ := p.told()
		if last := peers[len(peers)-1]; !last.Manager || len(last.Managers) != 1 || last.Managers[0].Addr != "192.0.2.7:2377" {
			t.Errorf("the node was told %+v", peers)
		}
		if err := p.server.Ask(t.Context(), nodeID, wire.FromOpenLogs(&wire.OpenLogs{})); err != nil {
			t.Error(err)
		}
		if err := p.server.Ask(t.Context(), model.NumID(8), wire.FromOpenLogs(&wire.OpenLogs{})); !errors.Is(err, dispatcher.ErrNotConnected) {
			t.Errorf("asking a node there is not: %v", err)
		}
		time.Sleep(time.Second)
		if _, opened := p.told(); opened != 1 {
			t.Errorf("the node was asked %d times, want once", opened)
		}
		stop()
		if err := p.server.Ask(t.Context(), nodeID, wire.FromOpenLogs(&wire.OpenLogs{})); !errors.Is(err, store.ErrNotLeader) {
			t.Errorf("asking a manager that leads no more: %v", err)
		}
		stop = p.startServer()
		time.Sleep(10 * time.Second)
		if again, _ := p.told(); len(again) != len(peers) {
			t.Errorf("the node was told the same again: %+v", again)
		}
	})
}

// mute is a manager whose host has lost its power: nothing comes, and no end either.
type mute struct {
	once sync.Once
	in   chan *wire.ManagerMessage
}

func (*mute) Send(*wire.AgentMessage) error       { return nil }
func (m *mute) Recv() <-chan *wire.ManagerMessage { return m.in }
func (m *mute) Close()                            { m.once.Do(func() { close(m.in) }) }

// TestMuteManager: the agent goes to another manager in time.
func TestMuteManager(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPath(t, simulated.Config{})
		defer p.startServer()()
		dials := 0
		a, err := agent.NewAgent(agent.Config{
			Options: agent.Options{NodeID: nodeID}, Env: env.Real(), Executor: p.engine.Executor(),
			Dialer: dialer(func(ctx context.Context) (wire.Session, error) {
				if dials++; dials == 1 {
					return &mute{in: make(chan *wire.ManagerMessage)}, nil
				}
				return p.Dial(ctx)
			}),
		})
		if err != nil {
			t.Fatal(err)
		}
		defer p.run(a.Run)()
		time.Sleep(4 * time.Second)
		if st := store.NodeStates.ByID(p.store.View(), nodeID); st == nil || st.State != model.ReachReady {
			t.Errorf("the node is %+v four seconds after its manager fell silent", st)
		}
	})
}

type dialer func(context.Context) (wire.Session, error)

func (d dialer) Dial(ctx context.Context) (wire.Session, error) { return d(ctx) }
