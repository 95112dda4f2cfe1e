package manager

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/store/raft"
)

// replicated makes the store of the log's entries and tells proposers their outcomes.
type replicated struct {
	store   *store.Store
	env     env.Env
	log     *slog.Logger
	propose func([]byte) error
	times   Times

	mu      sync.Mutex
	last    uint64 // newest proposal number
	waiting map[uint64]proposal
	lead    raft.Leadership
	changed chan struct{} // closed when lead changes
}

func newReplicated(s *store.Store, e env.Env, log *slog.Logger) (*replicated, error) {
	// Proposals of different members and lives must not bear the same number: they start at a random one.
	var start [8]byte
	if _, err := io.ReadFull(e.Rand, start[:]); err != nil {
		return nil, fmt.Errorf("draw the first proposal number: %w", err)
	}
	return &replicated{store: s, env: e, log: log, last: binary.BigEndian.Uint64(start[:]),
		waiting: map[uint64]proposal{}, changed: make(chan struct{}), times: Times{}.withDefaults()}, nil
}

// proposal is one whose outcome is not known yet.
type proposal struct {
	pending *store.Pending
	at      time.Time
}

// Commit implements [store.Committer].
func (r *replicated) Commit(b *store.Batch) *store.Pending {
	p, now := store.NewPending(), r.env.Now()
	r.mu.Lock()
	r.last++
	number := r.last
	r.waiting[number] = proposal{p, now}
	r.mu.Unlock()
	raw, err := store.EncodeEntry(store.Entry{Time: now.UnixNano(), Proposal: number, Batch: b})
	if err == nil {
		err = r.propose(raw)
	}
	if err != nil {
		if errors.Is(err, raft.ErrNotLeader) || errors.Is(err, raft.ErrStopped) {
			err = store.ErrNotLeader
		}
		r.resolve(number, 0, err)
	}
	return p
}

// Open are the proposals whose outcomes are not known. Stages that start while there are any would decide over tables that
// lack what their predecessors, of this same term, have written already: a term of the log does not end with a stage.
func (r *replicated) Open() []*store.Pending {
	r.mu.Lock()
	defer r.mu.Unlock()
	var open []*store.Pending
	for _, p := range r.waiting {
		open = append(open, p.pending)
	}
	return open
}

// resolve tells a proposer the outcome, unless it was told already.
func (r *replicated) resolve(number, index uint64, err error) {
	r.mu.Lock()
	p := r.waiting[number]
	delete(r.waiting, number)
	r.mu.Unlock()
	if p.pending != nil {
		r.times.Committed(r.env.Now().Sub(p.at))
		p.pending.Resolve(index, err)
	}
}

// Apply implements [raft.StateMachine].
func (r *replicated) Apply(entries []raft.Entry, applied uint64) {
	for _, e := range entries {
		entry, err := store.DecodeEntry(e.Data)
		if err != nil {
			// Every member sees the same bytes: going on without them would let the members differ from a build
			// that can read them.
			panic(fmt.Sprintf("manager: log entry %d cannot be read by this build: %v", e.Index, err))
		}
		began := r.env.Now()
		err = r.store.Apply(e.Index, entry)
		r.times.Applied(r.env.Now().Sub(began))
		if err != nil {
			r.log.Debug("a batch was refused", "index", e.Index, "writer", entry.Batch.Writer, "err", err)
		}
		r.resolve(entry.Proposal, e.Index, err)
	}
	r.store.Advance(applied)
}

// Configure implements [raft.StateMachine]: the Member table follows the group's members.
func (r *replicated) Configure(index, _ uint64, members []raft.Member) {
	b := &store.Batch{Writer: store.WriterRaft}
	want := map[uint64]bool{}
	for _, m := range members {
		want[m.ID] = true
		node, err := model.ParseID(m.Node)
		if err != nil {
			r.log.Warn("a member of the raft group has no node id", "member", m.ID, "node", m.Node)
		}
		b.Changes = append(b.Changes, store.Members.Put(&model.Member{RaftID: m.ID, NodeID: node, Addr: m.Addr, Learner: m.Learner}))
	}
	for m := range store.Members.All(r.store.View()) {
		if !want[m.RaftID] {
			b.Changes = append(b.Changes, store.Members.Delete(m.Key()))
		}
	}
	if err := r.store.Apply(index, store.Entry{Batch: b}); err != nil {
		panic(fmt.Sprintf("manager: the members cannot be written at index %d: %v", index, err))
	}
}

// Lead implements [raft.StateMachine].
func (r *replicated) Lead(l raft.Leadership) {
	r.mu.Lock()
	was := r.lead
	r.lead = l
	close(r.changed)
	r.changed = make(chan struct{})
	var lost []*store.Pending
	if was.Leading && (!l.Leading || l.Term != was.Term) {
		for number, p := range r.waiting {
			lost = append(lost, p.pending)
			delete(r.waiting, number)
		}
	}
	r.mu.Unlock()
	for _, p := range lost {
		p.Resolve(0, store.ErrUnknownOutcome)
	}
}

// leadership returns what is known of the leader and a channel that is closed when that changes.
func (r *replicated) leadership() (raft.Leadership, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lead, r.changed
}

// Snapshot implements [raft.StateMachine].
func (r *replicated) Snapshot() func(io.Writer) error {
	v := r.store.View()
	return func(w io.Writer) error {
		began := r.env.Now()
		defer func() { r.times.Snapshot(r.env.Now().Sub(began)) }()
		return v.Snapshot(w)
	}
}

// Restore implements [raft.StateMachine].
func (r *replicated) Restore(body io.Reader, index, _ uint64) error {
	if err := r.store.Restore(body); err != nil {
		return err
	}
	if got := r.store.View().Index(); got != index {
		return fmt.Errorf("the snapshot is of index %d and was announced as of %d", got, index)
	}
	return nil
}
