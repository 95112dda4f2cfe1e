package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store/raft"
	"github.com/skep-org/skep/internal/store/raft/rafttest"
)

// words is a state machine that keeps what it is given, and the members.
type words struct {
	mu      sync.Mutex
	Words   []string
	Members []raft.Member
}

func (s *words) Apply(entries []raft.Entry, _ uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range entries {
		s.Words = append(s.Words, string(e.Data))
	}
}

func (s *words) Configure(_, _ uint64, members []raft.Member) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Members = members
}
func (s *words) Lead(raft.Leadership) {}

func (s *words) Snapshot() func(io.Writer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := json.Marshal(s)
	return func(w io.Writer) error {
		_, werr := w.Write(b)
		return errors.Join(err, werr)
	}
}

func (s *words) Restore(r io.Reader, _, _ uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return json.NewDecoder(r).Decode(s)
}

func (s *words) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.Words, " ")
}

func (s *words) member(id uint64) (node model.ID, addr string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.Members {
		if m.ID == id {
			node, err := model.ParseID(m.Node)
			return node, m.Addr, err == nil
		}
	}
	return node, "", false
}

// quick is the machine's clock with timers that are twice as fast.
type quick struct{ env.Clock }

func (q quick) NewTimer(d time.Duration) (<-chan time.Time, func()) { return q.Clock.NewTimer(d / 2) }

// groupMember is a manager with nothing but its part in the group.
type groupMember struct {
	*raft.Replica
	*Transport
	id   uint64
	node model.ID
	sm   *words
	log  *rafttest.Log
	host *host
	stop func()
}

// groupCalls answer the other members.
type groupCalls struct {
	fakes
	of *groupMember
}

func (g *groupCalls) Step(msgs ...*pb.Message) { g.of.Replica.Step(msgs...) }
func (g *groupCalls) StepSnapshot(ctx context.Context, msg *pb.Message, body io.Reader) error {
	return g.of.Replica.StepSnapshot(ctx, msg, body)
}
func (g *groupCalls) Heard(id uint64, node model.ID, addr string) {
	g.of.Transport.Heard(id, node, addr)
}

// begin runs a member with a log, at any address. A new log that is bootstrapped is of the first member.
func begin(t *testing.T, a ca, id uint64, log *rafttest.Log, bootstrap bool) *groupMember {
	t.Helper()
	g := &groupMember{id: id, node: model.NumID(id), sm: &words{}, log: log}
	keys := a.keysFor(ours, g.node, model.RoleManager, 24*time.Hour)
	d := NewDialer(DialerConfig{Keys: func() identity.Keys { return keys }, Env: env.Real()})
	g.host = serveAs(t, a, g.node, "127.0.0.1:0", Handlers{})
	if bootstrap {
		require.NoError(t, raft.Bootstrap(log, g.host.addr))
	}
	g.Transport = NewTransport(TransportConfig{Cluster: ours, ID: id, Addr: g.host.addr, Member: g.sm.member, Dialer: d, Env: env.Real()})
	e := env.Real()
	e.Clock = quick{e.Clock}
	var err error
	g.Replica, err = raft.OpenReplica(raft.Options{
		Config: raft.Config{SnapshotEntries: 20, TrailingEntries: 2}, Log: log, StateMachine: g.sm, Transport: g.Transport, Env: e,
	})
	require.NoError(t, err)
	g.host.SetHandlers(Handlers{Group: &groupCalls{of: g}})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = g.Transport.Run(ctx, g.Replica) })
	wg.Go(func() {
		if err := g.Replica.Run(ctx); err != nil {
			t.Errorf("member %d: %v", id, err)
		}
	})
	g.stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		d.Close()
		g.host.stop()
	})
	t.Cleanup(g.stop)
	return g
}

func newLog(id uint64) *rafttest.Log {
	return rafttest.NewLog(raft.Identity{ID: id, Node: model.NumID(id).String(), Cluster: ours.String()}, 0)
}

func (g *groupMember) member() raft.Member {
	return raft.Member{ID: g.id, Node: g.node.String(), Addr: g.host.addr}
}

func leaderOfGroup(t *testing.T, members ...*groupMember) *groupMember {
	t.Helper()
	var leader *groupMember
	eventually(t, func() bool {
		i := slices.IndexFunc(members, func(m *groupMember) bool { return m.Leadership().Leading })
		if i >= 0 {
			leader = members[i]
		}
		return i >= 0
	}, "nobody leads")
	return leader
}

// same waits until the members hold the same, with a word at the end.
func same(t *testing.T, last string, members ...*groupMember) {
	t.Helper()
	eventually(t, func() bool {
		want := members[0].sm.text()
		return strings.HasSuffix(want, last) && !slices.ContainsFunc(members, func(m *groupMember) bool { return m.sm.text() != want })
	}, "the members do not hold the same")
}

func TestGroup(t *testing.T) {
	ctx := t.Context()
	a := newCA(t)
	one := begin(t, a, 1, newLog(1), true)
	leaderOfGroup(t, one)
	for i := range 50 {
		require.NoError(t, one.Propose(fmt.Appendf(nil, "w%d", i)))
	}
	same(t, "w49", one)
	// Two that know nobody: the leader sends them a snapshot, and they learn from it whom to answer.
	two, three := begin(t, a, 2, newLog(2), false), begin(t, a, 3, newLog(3), false)
	require.NoError(t, one.Change(ctx, raft.Change{Learners: []raft.Member{two.member(), three.member()}}))
	same(t, "w49", one, two, three)
	require.NoError(t, one.Change(ctx, raft.Change{Voters: []raft.Member{{ID: 2}, {ID: 3}}}))
	require.NoError(t, one.Propose([]byte("three")))
	same(t, "three", one, two, three)

	one.stop()
	leader := leaderOfGroup(t, two, three)
	for i := range 50 {
		require.NoError(t, leader.Propose(fmt.Appendf(nil, "x%d", i)))
	}
	same(t, "x49", two, three)

	// The first comes back with its log at another address. It is behind by more than the others keep, so it gets a
	// snapshot where it has said it is.
	one = begin(t, a, 1, one.log, false)
	same(t, "x49", one, two, three)
	leader = leaderOfGroup(t, two, three)
	require.NoError(t, leader.Change(ctx, raft.Change{Voters: []raft.Member{one.member()}}))
	_, addr, ok := leader.sm.member(1)
	require.True(t, ok)
	require.Equal(t, one.host.addr, addr)

	// It can lead from there. On a busy machine a handover may take longer than raft waits for one.
	eventually(t, func() bool {
		if one.Leadership().Leading {
			return true
		}
		_ = leaderOfGroup(t, one, two, three).Transfer(ctx, 1) // tried again
		return false
	}, "leadership is not handed over")
	require.NoError(t, one.Propose([]byte("end")))
	same(t, "end", one, two, three)
}

// A member that is not who it should be gets nothing, and what was sent to it is known to be lost.
func TestMessagesGoToTheRightNodeOnly(t *testing.T) {
	a := newCA(t)
	stepped := make(chan *pb.Message, 8)
	h := serve(t, a, (&recorder{stepped: stepped}).handlers())
	tr, r := startTransport(t, a, func(id uint64) (model.ID, string, bool) {
		switch id {
		case 1:
			return m1, h.addr, true
		case 3:
			return m3, h.addr, true // it is m1 who answers there
		}
		return model.ID{}, "", false
	})
	for _, id := range []uint64{3, 4, 1} {
		tr.Send([]*pb.Message{{Type: pb.MsgHeartbeat.Enum(), To: new(id), From: new(uint64(2))}})
	}
	lost := map[uint64]bool{}
	for range 2 {
		id, _ := within(t, r.lost, "a loss is not told")
		lost[id] = true
	}
	require.Equal(t, map[uint64]bool{3: true, 4: true}, lost)
	msg, _ := within(t, stepped, "a message is not delivered")
	require.EqualValues(t, 1, msg.GetTo())
	require.Empty(t, stepped)
}

// Whatever becomes of a snapshot is told, or its member would never hear anything again.
func TestSnapshotsAreAccountedFor(t *testing.T) {
	a := newCA(t)
	rec := &recorder{stepped: make(chan *pb.Message, 8), bodies: make(chan string, 8)}
	h := serve(t, a, rec.handlers())
	worker := serve(t, a, Handlers{})
	tr, r := startTransport(t, a, func(id uint64) (model.ID, string, bool) {
		return m1, map[uint64]string{1: h.addr, 3: "127.0.0.1:1", 4: worker.addr}[id], id < 5
	})
	snap := func(to, index uint64) []*pb.Message {
		return []*pb.Message{{Type: pb.MsgSnap.Enum(), To: new(to), From: new(uint64(2)),
			Snapshot: &pb.Snapshot{Metadata: &pb.SnapshotMetadata{Index: new(index), Term: new(uint64(1))}}}}
	}
	r.body = strings.Repeat("0123456789", 100_000)
	tr.Send(snap(1, 7))
	body, _ := within(t, rec.bodies, "no snapshot comes")
	require.True(t, body == r.body, "%d bytes came of %d", len(body), len(r.body))
	o, _ := within(t, r.sent, "the success is not told")
	require.Equal(t, outcome{1, true}, o)

	for _, to := range []uint64{3, 4, 5} { // unreachable, no manager, unknown
		tr.Send(snap(to, 7))
		o, _ := within(t, r.sent, "the failure is not told")
		require.Equal(t, outcome{to, false}, o)
	}
	tr.Send(snap(1, missing))
	o, _ = within(t, r.sent, "the failure is not told")
	require.Equal(t, outcome{1, false}, o)
	tr.Send(snap(1, breaksOff))
	o, _ = within(t, r.sent, "the failure is not told")
	require.Equal(t, outcome{1, false}, o)
	eventually(t, func() bool { return len(h.snapshots) == 0 }, "the receiver still waits for the rest")
	require.Empty(t, rec.bodies, "half a snapshot was taken for a whole one")

	rec.set(errors.New("disk full"))
	tr.Send(snap(1, 7))
	o, _ = within(t, r.sent, "the failure is not told")
	require.Equal(t, outcome{1, false}, o)
}

// A member that takes nothing in loses messages, and only its own.
func TestQueuesAreBounded(t *testing.T) {
	m := &member{wake: make(chan struct{}, 1)}
	for range queueMessages {
		m.put(&pb.Message{Type: pb.MsgHeartbeat.Enum()})
	}
	require.False(t, m.lost)
	m.put(&pb.Message{Type: pb.MsgHeartbeat.Enum()})
	msgs, lost := m.take()
	require.True(t, lost)
	require.Len(t, msgs, queueMessages)
	require.Zero(t, m.bytes)

	big := func() *pb.Message {
		return &pb.Message{Type: pb.MsgApp.Enum(), Entries: []*pb.Entry{{Data: make([]byte, raft.MaxEntrySize)}}}
	}
	n := 0
	for ; !m.lost; n++ {
		m.put(big())
	}
	require.LessOrEqual(t, n, queueBytes/raft.MaxEntrySize+1)
	msgs, _ = m.take()
	require.Len(t, msgs, 1, "a frame is not larger than a message may be")
	m.drop()
	msgs, lost = m.take()
	require.Empty(t, msgs)
	require.False(t, lost)
}

func TestHeardUntilTheTableSaysMore(t *testing.T) {
	table := map[uint64]Manager{1: {Node: m1, Addr: "old"}}
	tr := NewTransport(TransportConfig{Env: env.Real(), Member: func(id uint64) (model.ID, string, bool) {
		m, ok := table[id]
		return m.Node, m.Addr, ok
	}})
	where := func(id uint64) string { m, _ := tr.where(id); return m.Addr }
	require.Equal(t, "old", where(1))
	tr.Heard(1, m2, "wrong")
	require.Equal(t, "old", where(1), "another node says that it is member 1")
	tr.Heard(1, m1, "new")
	require.Equal(t, "new", where(1))
	table[1] = Manager{Node: m1, Addr: "newest"}
	require.Equal(t, "newest", where(1))

	tr.Heard(2, m2, "said")
	require.Equal(t, "said", where(2))
	table[2] = Manager{Node: m2, Addr: "agreed"}
	require.Equal(t, "agreed", where(2))
	delete(table, 2)
	_, ok := tr.where(2)
	require.False(t, ok)
	for i := range uint64(1000) {
		tr.Heard(100+i, m3, "x")
	}
	require.LessOrEqual(t, len(tr.said), saidKept)
}

const missing, breaksOff = 100, 101

// fakeReplica records what a transport tells.
type fakeReplica struct {
	lost chan uint64
	sent chan outcome
	body string
}

type outcome struct {
	id uint64
	ok bool
}

func (f *fakeReplica) OpenSnapshot(msg *pb.Message) (io.ReadCloser, error) {
	switch msg.GetSnapshot().GetMetadata().GetIndex() {
	case missing:
		return nil, errors.New("there is no such snapshot")
	case breaksOff:
		return io.NopCloser(io.MultiReader(strings.NewReader(f.body), brokenReader{})), nil
	}
	return io.NopCloser(strings.NewReader(f.body)), nil
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("input/output error") }

func (f *fakeReplica) SnapshotSent(_ context.Context, id uint64, ok bool) error {
	f.sent <- outcome{id, ok}
	return nil
}

func (f *fakeReplica) Unreachable(_ context.Context, id uint64) error {
	f.lost <- id
	return nil
}

func startTransport(t *testing.T, a ca, lookup func(uint64) (model.ID, string, bool)) (*Transport, *fakeReplica) {
	t.Helper()
	return startTransportWith(t, dialer(t, a.keys(ours, m2, model.RoleManager)), lookup)
}

func startTransportWith(t *testing.T, d *Dialer, lookup func(uint64) (model.ID, string, bool)) (*Transport, *fakeReplica) {
	t.Helper()
	r := &fakeReplica{lost: make(chan uint64, 64), sent: make(chan outcome, 64)}
	tr := NewTransport(TransportConfig{Cluster: ours, ID: 2, Addr: "here:1", Member: lookup, Dialer: d, Env: env.Real()})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- tr.Run(ctx, r) }()
	t.Cleanup(func() {
		cancel()
		err, _ := within(t, done, "the transport does not end")
		require.ErrorIs(t, err, context.Canceled)
	})
	return tr, r
}

// recorder is a group that keeps what comes.
type recorder struct {
	fakes
	stepped chan *pb.Message
	bodies  chan string
	mu      sync.Mutex
	err     error
}

func (r *recorder) handlers() Handlers { return Handlers{Group: r} }

func (r *recorder) set(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
}

func (r *recorder) Step(msgs ...*pb.Message) {
	for _, m := range msgs {
		r.stepped <- m
	}
}

func (r *recorder) StepSnapshot(_ context.Context, _ *pb.Message, body io.Reader) error {
	b, err := io.ReadAll(body)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err = errors.Join(err, r.err); err == nil {
		r.bodies <- string(b)
	}
	return err
}
