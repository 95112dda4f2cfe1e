package sim

import (
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/manager"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/store/raft"
)

// member is one manager. Its disk outlives it.
type member struct {
	w    *world
	id   uint64 // in the raft group; its place in world.members plus one
	node *node  // the host it runs on
	proc *proc
	disk *disk

	store   *store.Store
	rep     *manager.Replicated
	machine *raft.Machine // nil: does not run
	raft    *actor
	writing *raft.Write
	lead    raft.Leadership
	term    *term // nil: does not lead
	calls   calls

	slow, full bool // its disk

	// For planted bugs.
	skipped bool      // an entry, in this life
	flushed time.Time // when the writes that count as durable already are
}

func newMember(w *world, id uint64, n *node) *member {
	m := &member{w: w, id: id, node: n, proc: &proc{w: w, clock: n.clock}}
	n.member = m
	m.disk = &disk{w: w, MemoryLog: raft.NewMemoryLog(raft.Identity{ID: id, Node: n.id.String(), Cluster: "sim"})}
	return m
}

// boot starts the manager from its disk.
func (m *member) boot() {
	w := m.w
	if m.proc.up() {
		return
	}
	m.proc.begin()
	m.store, m.lead, m.calls, m.skipped = store.New(), raft.Leadership{}, newCalls(), false
	m.flushed = time.Time{}
	loaded, err := m.disk.Load()
	if err != nil {
		w.fail("m%d: load the log: %w", m.id, err)
		return
	}
	loaded = w.remembered(loaded)
	var body io.Reader
	if loaded.Snapshot != nil {
		if body, err = m.disk.OpenSnapshot(loaded.Snapshot); err != nil {
			w.fail("m%d: open the snapshot: %w", m.id, err)
			return
		}
	}
	m.raft = &actor{p: m.proc, step: m.advance}
	world := env.Env{Clock: m.proc.clock, Rand: w.env.Rand}
	if m.rep, err = manager.NewReplicated(m.store, world, slog.New(slog.DiscardHandler), m.propose); err != nil {
		w.fail("%w", err)
		return
	}
	cfg := raft.Config{ID: m.id, Incarnation: m.proc.life, SnapshotEntries: w.snapshotEvery, TrailingEntries: w.snapshotEvery / 8}
	if m.machine, err = raft.New(cfg, stateMachine{m}, loaded, body); err != nil {
		w.fail("m%d: start the log: %w", m.id, err)
		return
	}
	w.after(w.upTo(raft.TickInterval), m.proc.do(m.tick))
	m.raft.poke()
}

// tick comes every so often; what a stopped process misses, it misses.
func (m *member) tick() {
	m.machine.Tick()
	m.raft.wakeAt(m.w.now())
	m.w.after(raft.TickInterval, m.proc.do(m.tick))
}

func (m *member) propose(data []byte) error {
	m.calls.proposed(m.w, data)
	err := m.machine.Propose(data)
	m.raft.poke()
	return err
}

// advance does what the log's machine asks for.
func (m *member) advance() {
	life, before := m.proc.life, m.store.View().Index()
	out, err := m.machine.Advance()
	if err != nil {
		m.w.fail("m%d: the log: %w", m.id, err)
		return
	}
	m.send(out.Messages)
	if out.Write != nil {
		m.persist(out.Write)
	}
	if m.proc.life == life && out.Snapshot != nil {
		m.snapshot(out.Snapshot)
	}
	if m.store.View().Index() != before && m.term != nil {
		m.term.poke()
	}
	m.w.applied()
	m.calls.advanced(m, out.Reads)
}

// crash is kill -9 of the manager, or with its host's power nobody is told.
func (m *member) crash(power bool) {
	if !m.proc.up() {
		return
	}
	w := m.w
	w.crashes++
	w.trace("m%d: the manager is gone", m.id)
	m.raft.dead = true
	if m.term != nil {
		m.term.vanish(power)
	}
	calls := m.calls
	m.proc.end()
	m.machine = nil
	m.disk.crash(m.writing)
	m.writing = nil
	calls.crashed(w)
	w.after(w.downtime(10*time.Second), m.boot)
}

// downtime draws how long something is down: often very short.
func (w *world) downtime(most time.Duration) time.Duration {
	switch {
	case w.calm:
		return w.upTo(2 * time.Second)
	case w.chance(300):
		return w.upTo(50 * time.Millisecond)
	case w.chance(150):
		return w.upTo(4 * most)
	}
	return w.upTo(most / 3)
}

// Apply implements [raft.StateMachine]: the history must be the one that was.
func (s stateMachine) Apply(entries []raft.Entry, applied uint64) {
	m := s.m
	if m.w.has(bugOutOfOrder) && len(entries) > 1 && m.w.chance(100) {
		entries = slices.Clone(entries)
		entries[0].Data, entries[1].Data = entries[1].Data, entries[0].Data
		m.rep.Apply(entries, applied)
		return
	}
	for _, e := range entries {
		m.w.passed(m, e.Index)
		m.w.committed(m, e)
		if m.w.has(bugSkippedEntry) && !m.skipped && m.w.chance(20) {
			m.skipped = true
			m.rep.Apply(nil, e.Index)
		} else {
			m.rep.Apply([]raft.Entry{m.w.stamped(m, e)}, e.Index)
		}
		m.w.state(m, e.Index)
	}
	m.w.passed(m, applied+1)
	m.rep.Apply(nil, applied)
}

// Configure implements [raft.StateMachine].
func (s stateMachine) Configure(index, term uint64, members []raft.Member) {
	s.m.w.configured(s.m, index, term, members)
	s.m.rep.Configure(index, term, members)
}

// Lead implements [raft.StateMachine]: of a term there is one leader.
func (s stateMachine) Lead(l raft.Leadership) {
	m := s.m
	was := m.lead
	m.lead = l
	if l.Leading {
		m.w.elected(m, l.Term)
	}
	if m.term != nil && (!l.Leading || l.Term != was.Term) {
		m.w.trace("m%d: leads no more", m.id)
		m.term.end()
	}
	m.rep.Lead(l)
	if l.Leading {
		m.w.after(m.w.soon(), m.proc.do(m.beginTerm))
	}
}

// Snapshot implements [raft.StateMachine].
func (s stateMachine) Snapshot() func(io.Writer) error {
	s.m.w.hashed(s.m, s.m.store.View())
	return s.m.rep.Snapshot()
}

// Restore implements [raft.StateMachine].
func (s stateMachine) Restore(body io.Reader, index, term uint64) error {
	if err := s.m.rep.Restore(body, index, term); err != nil {
		return err
	}
	s.m.w.hashed(s.m, s.m.store.View())
	return nil
}
