package manager

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/manager/group"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/store/raft"
	"github.com/skep-org/skep/internal/wire"
	"golang.org/x/sync/errgroup"
)

// termRetry is how long a member that nobody else can replace waits before it leads again after a term failed.
const termRetry = time.Second

// Term is one leader term: Run is called when this member begins to lead and its context ends when it leads no more.
type Term interface {
	Run(ctx context.Context) error
	// Connect opens a session for a node's agent that runs in this process.
	Connect(node model.ID, addr string) wire.Session
	// Ask sends a message to a node's agent that is connected to this member.
	Ask(ctx context.Context, node model.ID, msg *wire.ManagerMessage) error
}

// Options are what a [Manager] is made of.
type Options struct {
	Log       raft.Log
	Transport raft.Transport // nil: a group of one
	Env       env.Env
	Logger    *slog.Logger
	// NewTerm makes what runs during a leader term, given the member's own raft id: [Stages].
	NewTerm func(s *store.Store, c store.Committer, self uint64) Term
	Times   Times
}

// Manager is one member of the managers' group.
type Manager struct {
	opt        Options
	store      *store.Store
	replicated *replicated
	replica    *raft.Replica
	group      *group.Group
	current    atomic.Pointer[Term] // nil: this member does not lead
}

// Open loads the log and restores the state. Nothing runs until Run is called.
func Open(opt Options) (*Manager, error) {
	s := store.New()
	opt.Times = opt.Times.withDefaults()
	r, err := newReplicated(s, opt.Env, opt.Logger)
	if err != nil {
		return nil, err
	}
	replica, err := raft.OpenReplica(raft.Options{Config: raft.Config{Logger: opt.Logger}, Log: opt.Log, Transport: opt.Transport, StateMachine: r, Env: opt.Env})
	if err != nil {
		return nil, fmt.Errorf("open the cluster's state: %w", err)
	}
	r.propose, r.times = replica.Propose, opt.Times
	m := &Manager{opt: opt, store: s, replicated: r, replica: replica}
	m.group = group.New(group.Options{Replica: replica, State: m, Env: opt.Env, Logger: opt.Logger})
	return m, nil
}

// Store is the replicated state.
func (m *Manager) Store() *store.Store { return m.store }

// Replica is this member of the group, for whoever carries its messages and changes its members.
func (m *Manager) Replica() *raft.Replica { return m.replica }

// Commit implements [store.Committer].
func (m *Manager) Commit(b *store.Batch) *store.Pending { return m.replicated.Commit(b) }

// Fresh returns a view that holds everything acknowledged anywhere in the cluster before the call.
func (m *Manager) Fresh(ctx context.Context) (store.View, error) {
	if _, err := m.replica.ReadIndex(ctx); err != nil {
		return store.View{}, fmt.Errorf("read the cluster's state: %w", err)
	}
	return m.store.View(), nil
}

// Leading reports whether this member leads.
func (m *Manager) Leading() bool { return m.replica.Leadership().Leading }

// Status tells how the group stands.
func (m *Manager) Status(ctx context.Context) (raft.Status, error) { return m.replica.Status(ctx) }

// WaitLeading returns when this member leads.
func (m *Manager) WaitLeading(ctx context.Context) error {
	for {
		l, changed := m.replicated.leadership()
		if l.Leading {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Connect opens a session with the dispatcher of this member's term for a node's agent.
func (m *Manager) Connect(node model.ID, addr string) (wire.Session, error) {
	t := m.current.Load()
	if t == nil {
		return nil, store.ErrNotLeader
	}
	return (*t).Connect(node, addr), nil
}

// Ask sends a message to a node's agent, which is connected to the member that leads: another one answers
// store.ErrNotLeader. An agent that is not connected is dispatcher.ErrNotConnected.
func (m *Manager) Ask(ctx context.Context, node model.ID, msg *wire.ManagerMessage) error {
	t := m.current.Load()
	if t == nil {
		return store.ErrNotLeader
	}
	return (*t).Ask(ctx, node, msg)
}

// WaitLeader returns when this member knows a leader, itself or another.
func (m *Manager) WaitLeader(ctx context.Context) error {
	for {
		l, changed := m.replicated.leadership()
		if l.Leading || l.Leader != 0 && l.Leader != m.replica.ID() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Run takes part in the group until ctx ends or the log fails.
func (m *Manager) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return m.replica.Run(ctx) })
	g.Go(func() error { return m.terms(ctx) })
	return g.Wait()
}

// terms runs one term after the other.
func (m *Manager) terms(ctx context.Context) error {
	for ctx.Err() == nil {
		l, changed := m.replicated.leadership()
		if !l.Leading {
			select {
			case <-changed:
			case <-ctx.Done():
			}
			continue
		}
		err := m.term(ctx, l)
		if err == nil || ctx.Err() != nil {
			continue
		}
		m.opt.Logger.Error("a leader term failed; leadership is handed over", "term", l.Term, "err", err)
		if err := m.replica.Transfer(ctx, 0); err != nil {
			m.opt.Logger.Info("no other manager can lead; leading again", "err", err)
			_ = m.opt.Env.Pause(ctx, termRetry)
		}
	}
	return ctx.Err()
}

// term leads until the leadership of this term ends.
func (m *Manager) term(ctx context.Context, lead raft.Leadership) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, p := range m.replicated.Open() {
		select {
		case <-p.Done():
		case <-ctx.Done():
			return nil
		}
	}
	done := make(chan error, 1)
	t := m.opt.NewTerm(m.store, m, lead.Leader)
	m.current.Store(&t)
	defer m.current.Store(nil)
	go func() { done <- t.Run(ctx) }()
	for {
		l, changed := m.replicated.leadership()
		if !l.Leading || l.Term != lead.Term {
			cancel()
			_ = <-done // it was ended
			return nil
		}
		select {
		case err := <-done:
			if err == nil || errors.Is(err, context.Canceled) {
				return nil
			}
			return err
		case <-changed:
		}
	}
}
