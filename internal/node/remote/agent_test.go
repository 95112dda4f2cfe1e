package remote

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/stretchr/testify/require"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/manager/dispatcher"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

// cluster is a store with a node that is to run a task.
func cluster(t *testing.T) *store.Store {
	t.Helper()
	s := store.New()
	direct := store.Direct{Store: s, Now: time.Now}
	write := func(w store.Writer, changes ...store.Change) {
		_, _, err := direct.Commit(&store.Batch{Writer: w, Changes: changes}).Result()
		require.NoError(t, err)
	}
	task, rev := model.NumID(40), model.NumID(41)
	write(store.WriterInit, store.Clusters.Put(&model.Cluster{ID: ours, Epoch: 1}))
	write(store.WriterAPI, store.NodeSpecs.Put(&model.NodeSpec{ID: w1}),
		store.Revisions.Put(&model.ServiceRevision{ID: rev, Spec: model.DocOf(swarm.ServiceSpec{Annotations: swarm.Annotations{Name: "web"}})}))
	write(store.WriterOrchestrator, store.Tasks.Put(&model.Task{ID: task, Revision: rev, Slot: 1, Desired: model.StateRunning}))
	write(store.WriterAllocator, store.Allocations.Put(&model.Allocation{Owner: task, Kind: model.AllocTask, Done: true}))
	write(store.WriterScheduler, store.Placements.Put(&model.Placement{TaskID: task, NodeID: w1}))
	return s
}

// leading makes handlers of a manager that leads, with a dispatcher over a store. stop ends its term.
func leading(t *testing.T, s *store.Store, managers func() []*wire.Manager) (h Handlers, stop func()) {
	t.Helper()
	d := dispatcher.NewServer(s, store.Direct{Store: s, Now: time.Now}, env.Real())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	ended := false
	stop = func() {
		if !ended {
			ended = true
			cancel()
			require.ErrorIs(t, <-done, context.Canceled)
		}
	}
	t.Cleanup(stop)
	f := &fakes{session: func(n model.ID) (wire.Session, error) { return d.Connect(n, "192.0.2.1"), nil }}
	return Handlers{Dispatcher: f, Authority: f, Managers: managers}, stop
}

// expect reads messages until one fits.
func expect(t *testing.T, s wire.Session, fits func(*wire.ManagerMessage) bool) *wire.ManagerMessage {
	t.Helper()
	for {
		msg, ok := within(t, s.Recv(), "the message does not come")
		require.True(t, ok, "the session ended")
		if fits(msg) {
			return msg
		}
	}
}

// An agent that knows a manager which does not lead finds the one that does, is told what to run, and reports.
func TestAgentFindsItsDispatcher(t *testing.T) {
	a := newCA(t)
	s := cluster(t)
	var second *host
	managers := func() []*wire.Manager {
		return []*wire.Manager{{NodeId: wire.Bytes(m2), Addr: second.addr, Leader: true}}
	}
	first := serveAs(t, a, m1, "127.0.0.1:0", Handlers{Dispatcher: &fakes{}, Managers: managers})
	h, stop := leading(t, s, managers)
	second = serveAs(t, a, m2, "127.0.0.1:0", h)

	d := NewAgentDialer(func() []Manager { return []Manager{{Node: m1, Addr: first.addr}} }, dialer(t, a.keys(ours, w1, model.RoleWorker)))
	session, err := d.Dial(t.Context())
	require.NoError(t, err)
	defer session.Close()
	require.NoError(t, session.Send(wire.FromHello(&wire.Hello{NodeId: wire.Bytes(w1), Description: []byte(`{"Hostname":"host"}`), Nonce: 5})))
	welcome := expect(t, session, func(m *wire.ManagerMessage) bool { return m.GetWelcome() != nil })
	require.EqualValues(t, 5, welcome.GetWelcome().Nonce)
	set := expect(t, session, func(m *wire.ManagerMessage) bool { return m.GetAssignments() != nil }).GetAssignments()
	require.True(t, set.Full)
	require.Len(t, set.Tasks, 1)

	require.NoError(t, session.Send(wire.FromStatuses(&wire.StatusBatch{Seq: 1, Statuses: []*wire.TaskStatus{{TaskId: set.Tasks[0].Id, State: uint32(model.StateRunning)}}})))
	expect(t, session, func(m *wire.ManagerMessage) bool { return m.GetAck().GetSeq() == 1 })
	require.Equal(t, model.StateRunning, store.Statuses.ByID(s.View(), model.NumID(40)).State)

	// The term ends: the agent is told who leads now, and goes there first.
	h3, _ := leading(t, cluster(t), nil)
	third := serveAs(t, a, m3, "127.0.0.1:0", h3)
	managersOfThird := Handlers{Dispatcher: h.Dispatcher, Managers: func() []*wire.Manager {
		return []*wire.Manager{{NodeId: wire.Bytes(m3), Addr: third.addr, Leader: true}}
	}}
	second.SetHandlers(managersOfThird)
	for range session.Recv() { //nolint:revive // ended by the change of handlers
	}
	session, err = d.Dial(t.Context())
	require.NoError(t, err)
	stop()
	bye := expect(t, session, func(m *wire.ManagerMessage) bool { return m.GetGoodbye() != nil }).GetGoodbye()
	require.Equal(t, wire.Goodbye_LEADER_CHANGED, bye.Reason)
	require.Equal(t, third.addr, bye.Leader.Addr)
	_, ok := within(t, session.Recv(), "the session goes on")
	require.False(t, ok)
	first.stop()
	session, err = d.Dial(t.Context())
	require.NoError(t, err)
	defer session.Close()
	require.NoError(t, session.Send(wire.FromHello(&wire.Hello{NodeId: wire.Bytes(w1), Description: []byte(`{}`), Nonce: 6})))
	expect(t, session, func(m *wire.ManagerMessage) bool { return m.GetWelcome().GetNonce() == 6 })
}

// A node cannot speak for another.
func TestHelloOfAnotherNode(t *testing.T) {
	a := newCA(t)
	f, opened := sessions()
	h := serve(t, a, f.handlers())
	s := dial(t, dialer(t, a.keys(ours, w1, model.RoleWorker)), h)
	p, _ := within(t, opened, "no session")
	require.NoError(t, s.Send(wire.FromHello(&wire.Hello{NodeId: wire.Bytes(m2)})))
	within(t, p.closed, "the session goes on")
	require.Empty(t, p.in)
}

func TestDialErrors(t *testing.T) {
	a := newCA(t)
	d := dialer(t, a.keys(ours, w1, model.RoleWorker))
	_, err := NewAgentDialer(func() []Manager { return nil }, d).Dial(t.Context())
	require.EqualError(t, err, "the manager cannot be reached: this node knows no manager's address")

	// Nobody leads, and two name each other: each is asked once.
	var one, two *host
	name := func(id model.ID, h **host) func() []*wire.Manager {
		return func() []*wire.Manager {
			return []*wire.Manager{{NodeId: wire.Bytes(id), Addr: (*h).addr, Leader: true}}
		}
	}
	one = serveAs(t, a, m1, "127.0.0.1:0", Handlers{Dispatcher: &fakes{}, Managers: name(m2, &two)})
	two = serveAs(t, a, m2, "127.0.0.1:0", Handlers{Dispatcher: &fakes{}, Managers: name(m1, &one)})
	_, err = NewAgentDialer(func() []Manager { return []Manager{one.manager()} }, d).Dial(t.Context())
	require.EqualError(t, err, "the manager at "+one.addr+": this manager does not lead the cluster\nthe manager at "+two.addr+": this manager does not lead the cluster")

	one.granted.gone[w1] = true
	_, err = NewAgentDialer(func() []Manager { return []Manager{one.manager()} }, d).Dial(t.Context())
	require.ErrorIs(t, err, ErrForbidden)
}

// The order in which managers are asked.
func TestCandidates(t *testing.T) {
	managers := []Manager{{Addr: "a"}, {Addr: "b", Leader: true}, {Addr: "c"}, {Addr: "d"}}
	d := NewAgentDialer(func() []Manager { return managers }, &Dialer{cfg: DialerConfig{Env: env.Real()}})
	orders := map[string]bool{}
	for range 200 {
		list, _ := d.candidates()
		require.Len(t, list, 4)
		require.Equal(t, "b", list[0].Addr)
		orders[list[1].Addr+list[2].Addr+list[3].Addr] = true
	}
	require.Len(t, orders, 6, "the others in any order")

	d.ended(managers[1], nil) // it may be dead
	list, broken := d.candidates()
	require.Equal(t, "b", list[3].Addr)
	require.Equal(t, "b", broken)

	d.ended(managers[1], &wire.Goodbye{Leader: &wire.Manager{NodeId: wire.Bytes(m3), Addr: "c"}})
	list, broken = d.candidates()
	require.Equal(t, Manager{Node: m3, Addr: "c"}, list[0])
	require.Equal(t, "b", list[1].Addr)
	require.Empty(t, broken)
}

// An agent whose manager does not read ends its session; it does not fill its memory.
func TestAgentsQueueIsBounded(t *testing.T) {
	ended := false
	s := newSession(nil, func() { ended = true }, nil)
	for range sendLimit {
		require.NoError(t, s.Send(wire.FromHeartbeat(&wire.Heartbeat{})))
	}
	require.False(t, ended)
	require.ErrorIs(t, s.Send(wire.FromHeartbeat(&wire.Heartbeat{})), wire.ErrEnded)
	require.True(t, ended)
}

// A slow reader holds the node back; what was sent arrives in order, and its end is seen on both sides.
func TestRelay(t *testing.T) {
	a := newCA(t)
	read, got := make(chan struct{}), make(chan int64, 1000)
	f := &fakes{relay: func(_ context.Context, frames Frames) error {
		for {
			<-read
			frame, err := frames.Next()
			if err != nil {
				return err
			}
			if frame.End {
				return nil
			}
			got <- frame.Line.Time
		}
	}}
	h := serve(t, a, f.handlers())
	d := dialer(t, a.keys(ours, w1, model.RoleWorker))
	out, err := d.Attach(t.Context(), h.manager(), model.NumID(9))
	require.NoError(t, err)
	sent, done := make(chan int64, 1000), make(chan error, 1)
	go func() {
		for i := range int64(300) {
			if err := out.Send(&wire.RelayFrame{Line: &wire.LogLine{Time: i}}); err != nil {
				done <- err
				return
			}
			sent <- i
		}
		done <- errors.Join(out.Send(&wire.RelayFrame{End: true}), out.Close())
	}()
	for i := range int64(10) {
		read <- struct{}{}
		require.Equal(t, i, <-got)
	}
	eventually(t, func() bool { return len(sent) == relayWindow }, "the node does not use what it may send")
	close(read)
	for i := int64(10); i < 300; i++ {
		v, _ := within(t, got, "a frame is missing")
		require.Equal(t, i, v)
	}
	err, _ = within(t, done, "the end is not seen")
	require.NoError(t, err)
}

// A reader that has had enough ends the node's stream.
func TestRelayReaderLeaves(t *testing.T) {
	a := newCA(t)
	f := &fakes{relay: func(_ context.Context, frames Frames) error {
		_, err := frames.Next()
		return err
	}}
	h := serve(t, a, f.handlers())
	d := dialer(t, a.keys(ours, w1, model.RoleWorker))
	out, err := d.Attach(t.Context(), h.manager(), model.NumID(9))
	require.NoError(t, err)
	sends := 0
	for ; err == nil; sends++ {
		err = out.Send(&wire.RelayFrame{Line: &wire.LogLine{}})
	}
	require.EqualError(t, err, "EOF")
	require.LessOrEqual(t, sends, relayWindow+1)
	require.NoError(t, out.Close())

	h.granted.set(func(g *granted) { g.gone[w1] = true })
	out, err = d.Attach(t.Context(), h.manager(), model.NumID(9))
	for err == nil {
		if err = out.Send(&wire.RelayFrame{Line: &wire.LogLine{}}); err != nil {
			require.ErrorIs(t, out.Close(), ErrForbidden)
		}
	}
	require.ErrorIs(t, err, ErrForbidden)
}

// deaf is a connection to a host that lost its power: what is sent goes nowhere, and nothing says so.
type deaf struct {
	net.Conn
	off *atomic.Bool
}

func (c deaf) Write(p []byte) (int, error) {
	if c.off.Load() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// A manager that was without power is given output at once when it is back: not over the connection from before, whose end
// shows only when nothing has come back for a while.
func TestAttachAfterPowerLoss(t *testing.T) {
	a := newCA(t)
	got := make(chan struct{}, 1)
	f := &fakes{relay: func(_ context.Context, frames Frames) error {
		_, err := frames.Next()
		got <- struct{}{}
		return err
	}}
	h := serve(t, a, f.handlers())
	keys := a.keys(ours, w1, model.RoleWorker)
	var off [2]atomic.Bool
	var dialled atomic.Int64
	d := NewDialer(DialerConfig{Keys: func() identity.Keys { return keys }, Env: env.Real(), Dial: func(ctx context.Context, addr string) (net.Conn, error) {
		c, err := dialTCP(ctx, addr)
		return deaf{c, &off[dialled.Add(1)-1]}, err
	}})
	t.Cleanup(d.Close)
	require.NoError(t, d.Reach(t.Context(), h.manager()))
	off[0].Store(true)
	out, err := d.Attach(t.Context(), h.manager(), model.NumID(9))
	require.NoError(t, err)
	require.NoError(t, out.Send(&wire.RelayFrame{End: true}))
	within(t, got, "the manager hears nothing")
	require.NoError(t, out.Close())
	require.EqualValues(t, 2, dialled.Load())
	require.Empty(t, d.single, "the connection is kept though its stream is over")
}
