package remote

import (
	"context"
	"io"
	"log/slog"
	"sync"

	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store/raft"
)

// TransportConfig is what a [Transport] is made of.
type TransportConfig struct {
	Cluster model.ID
	ID      uint64 // this member's
	Addr    string // where this member is reached; it tells the others itself
	// Member looks up a member. One that is not found yet is reached by what it said of itself.
	Member func(id uint64) (node model.ID, addr string, ok bool)
	Dialer *Dialer
	Env    env.Env
	Logger *slog.Logger // nil: none
}

// Replica is what a transport serves: a raft.Replica.
type Replica interface {
	OpenSnapshot(*pb.Message) (io.ReadCloser, error)
	SnapshotSent(ctx context.Context, id uint64, ok bool) error
	Unreachable(ctx context.Context, id uint64) error
}

// Transport carries a member's messages to the others: each has a queue, a stream, and one snapshot at a time.
type Transport struct {
	cfg TransportConfig

	mu      sync.Mutex
	run     *running // nil: Run was not called, or has ended
	members map[uint64]*member
	said    map[uint64]said
}

var _ raft.Transport = (*Transport)(nil)

// running is what members need while Run runs.
type running struct {
	ctx     context.Context //nolint:containedctx // that of Run
	replica Replica
	wg      *sync.WaitGroup
}

// said is what a member told of itself, beside what the table said then.
type said struct {
	node     model.ID
	addr     string
	then     string
	wasKnown bool
}

// saidKept bounds what is kept of nodes that say they are members.
const saidKept = 256

// NewTransport makes a transport; messages sent before Run wait in the queues.
func NewTransport(cfg TransportConfig) *Transport {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Transport{cfg: cfg, members: map[uint64]*member{}, said: map[uint64]said{}}
}

// Run carries messages until ctx ends.
func (t *Transport) Run(ctx context.Context, r Replica) error {
	var wg sync.WaitGroup
	t.mu.Lock()
	t.run = &running{ctx, r, &wg}
	for _, m := range t.members {
		t.start(m)
	}
	t.mu.Unlock()
	<-ctx.Done()
	t.mu.Lock()
	t.run = nil
	clear(t.members)
	t.mu.Unlock()
	wg.Wait()
	return ctx.Err()
}

// Send implements [raft.Transport].
func (t *Transport) Send(msgs []*pb.Message) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, msg := range msgs {
		id := msg.GetTo()
		m := t.members[id]
		if m == nil {
			m = &member{transport: t, id: id, wake: make(chan struct{}, 1), snapWake: make(chan struct{}, 1)}
			t.members[id] = m
			t.start(m)
		}
		m.put(msg)
	}
}

// start runs a member's goroutines; t.mu is held.
func (t *Transport) start(m *member) {
	if r := t.run; r != nil {
		r.wg.Go(func() { m.loop(r) })
		r.wg.Go(func() { m.snapshots(r) })
	}
}

// Heard is what a member's stream said of it. It counts until the table of members says something new: a member whose
// address changed says so before the group has agreed on it, and a new one before it was told who the others are.
func (t *Transport) Heard(id uint64, node model.ID, addr string) {
	known, then, ok := t.cfg.Member(id)
	if ok && !known.IsZero() && known != node {
		t.cfg.Logger.Warn("a node says that it is a member which is another node", "member", id, "node", node, "known", known)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, again := t.said[id]; !again && len(t.said) >= saidKept {
		return
	}
	t.said[id] = said{node, addr, then, ok}
}

// where is a member reached?
func (t *Transport) where(id uint64) (Manager, bool) {
	node, addr, ok := t.cfg.Member(id)
	t.mu.Lock()
	defer t.mu.Unlock()
	s, has := t.said[id]
	if has && (s.wasKnown != ok && ok || ok && s.then != addr) {
		delete(t.said, id)
		has = false
	}
	if has {
		return Manager{Node: s.node, Addr: s.addr}, true
	}
	return Manager{Node: node, Addr: addr}, ok && addr != ""
}
