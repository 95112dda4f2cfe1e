package sim

import (
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/manager"
	"github.com/skep-org/skep/internal/manager/dispatcher"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/store/raft"
)

// member is the cluster's manager. Its log outlives it.
type member struct {
	w   *world
	log *raft.MemoryLog

	life    uint64
	up      bool
	leading bool
	store   *store.Store // of the newest life that led, also while there is none
	next    *store.Store // of this life
	rep     *manager.Replicated
	machine *raft.Machine
	write   *raft.Write

	raft    *actor
	stages  []*actor
	disp    *dispatcher.Machine
	dispAct *actor
	links   map[dispatcher.SessionID]*link
}

// boot starts the manager from its log.
func (m *member) boot() {
	w := m.w
	m.life++
	m.up, m.next = true, store.New()
	loaded, err := m.log.Load()
	if err != nil {
		w.fail("load the log: %w", err)
		return
	}
	var body io.Reader
	if loaded.Snapshot != nil {
		if body, err = m.log.OpenSnapshot(loaded.Snapshot); err != nil {
			w.fail("open the snapshot: %w", err)
			return
		}
	}
	m.raft = &actor{w: w, step: m.advance}
	if m.rep, err = manager.NewReplicated(m.next, w.env, slog.New(slog.DiscardHandler), m.propose); err != nil {
		w.fail("%w", err)
		return
	}
	cfg := raft.Config{ID: 1, Incarnation: m.life, SnapshotEntries: 400, TrailingEntries: 50}
	if m.machine, err = raft.New(cfg, stateMachine{m.rep, m}, loaded, body); err != nil {
		w.fail("start the log: %w", err)
		return
	}
	m.advance()
}

func (m *member) propose(data []byte) error {
	err := m.machine.Propose(data)
	m.raft.poke()
	return err
}

// advance does what the log's machine asks for.
func (m *member) advance() {
	w := m.w
	before := m.next.View().Index()
	out, err := m.machine.Advance()
	if err != nil {
		w.fail("the log: %w", err)
		return
	}
	life := m.life
	if out.Write != nil {
		m.write = out.Write
		w.after(w.upTo(8*time.Millisecond), func() { m.wrote(life) })
	}
	if out.Snapshot != nil {
		job := out.Snapshot
		w.after(w.upTo(50*time.Millisecond), func() {
			if m.life != life || !m.up {
				return
			}
			if err := job.Run(m.log); err != nil {
				w.fail("snapshot: %w", err)
				return
			}
			m.machine.Snapshotted(job)
			m.raft.poke()
		})
	}
	if m.next.View().Index() != before && m.leading {
		for _, a := range m.stages {
			a.poke()
		}
		w.applied()
	}
}

func (m *member) wrote(life uint64) {
	if m.life != life || !m.up {
		return
	}
	write := m.write
	m.write = nil
	if err := write.Persist(m.log); err != nil {
		m.w.fail("write the log: %w", err)
		return
	}
	if err := m.machine.Wrote(write); err != nil {
		m.w.fail("%w", err)
		return
	}
	m.advance()
}

// lead begins a term.
func (m *member) lead() {
	w := m.w
	w.trace("the manager leads, index %d", m.next.View().Index())
	m.leading, m.store = true, m.next
	for _, p := range manager.Planners(w.env) {
		loop := control.NewLoop(p, m.store, m.rep, w.clock)
		a := &actor{w: w}
		a.step = func() {
			next, err := loop.Step(w.now())
			if err != nil {
				w.fail("stage %s: %w", p.Name(), err)
			}
			a.wake(next)
		}
		m.stages = append(m.stages, a)
	}
	m.disp = dispatcher.New(m.store, m.rep)
	m.dispAct = &actor{w: w, step: m.dispatch}
	m.stages = append(m.stages, m.dispAct)
	for _, a := range m.stages {
		a.poke()
	}
	w.users.recovered(w)
	w.checks.resync(w)
}

func (m *member) dispatch() {
	out, next, err := m.disp.Step(m.w.now())
	if err != nil {
		m.w.fail("%w", err)
		return
	}
	for _, e := range out {
		if l := m.links[e.Session]; l != nil {
			l.toAgent(e)
		}
	}
	select {
	case <-m.disp.Landed():
		m.dispAct.poke()
	default:
	}
	m.dispAct.wake(next)
}

// crash is kill -9 of the manager; of a write under way a random part reaches the disk.
func (m *member) crash() {
	if !m.up {
		return
	}
	w := m.w
	w.crashes++
	w.trace("the manager is killed")
	m.up, m.leading = false, false
	for _, a := range append(m.stages, m.raft) {
		a.dead = true
	}
	m.stages, m.disp = nil, nil
	lost := 0
	if m.write != nil {
		lost = w.rng.IntN(len(m.write.Entries) + 1)
	}
	if err := m.log.Tear(m.write, lost); err != nil {
		w.fail("tear the log: %w", err)
	}
	m.write = nil
	for _, l := range m.linksInOrder() {
		l.broke()
	}
	w.users.lostContact()
	w.after(w.upTo(10*time.Second), m.boot)
}

func (m *member) linksInOrder() []*link {
	var ids []dispatcher.SessionID
	for id := range m.links {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	var list []*link
	for _, id := range ids {
		list = append(list, m.links[id])
	}
	return list
}

// stateMachine watches what the log tells the tables.
type stateMachine struct {
	*manager.Replicated
	m *member
}

// Apply checks that the history is the one that was, and hashes what is new in it.
func (s stateMachine) Apply(entries []raft.Entry, applied uint64) {
	for _, e := range entries {
		s.m.w.entry(e)
	}
	s.Replicated.Apply(entries, applied)
}

func (s stateMachine) Lead(l raft.Leadership) {
	s.Replicated.Lead(l)
	switch {
	case l.Leading && !s.m.leading:
		s.m.lead()
	case !l.Leading && s.m.leading:
		s.m.w.fail("the only manager lost its lead")
	}
}

func (w *world) entry(e raft.Entry) {
	sum := sha256.Sum256(e.Data)
	for uint64(len(w.history)) < e.Index {
		w.history = append(w.history, [32]byte{})
	}
	if old := w.history[e.Index-1]; old == ([32]byte{}) {
		w.history[e.Index-1] = sum
		fmt.Fprintf(w.hash, "%d %x\n", e.Index, sum)
	} else if old != sum {
		w.fail("log entry %d is not what it was before the restart", e.Index)
	}
}

// view is what the newest leader knew.
func (w *world) view() store.View { return w.manager.store.View() }

// found makes the cluster: its log, manager and nodes.
func (w *world) found() {
	first := w.newID()
	m := &member{w: w, links: map[dispatcher.SessionID]*link{}}
	m.log = raft.NewMemoryLog(raft.Identity{ID: 1, Node: first.String(), Cluster: "sim"})
	if err := raft.Bootstrap(m.log, "192.0.2.1:2377"); err != nil {
		w.fail("found the log: %w", err)
		return
	}
	w.manager, m.store = m, store.New()
	count := 1
	if w.chance(400) {
		count = 2 + w.rng.IntN(3)
	}
	for i := range count {
		id := first
		if i > 0 {
			id = w.newID()
		}
		w.nodes = append(w.nodes, newNode(w, id, i+1))
	}
	m.boot()
	w.whenLeading(func() {
		changes := []store.Change{store.Clusters.Put(&model.Cluster{ID: w.newID(), Spec: model.DocOf(w.clusterSpec()), InitialNodeID: first, Epoch: 1})}
		for _, n := range w.nodes {
			changes = append(changes, n.rows()...)
		}
		m.rep.Commit(&store.Batch{Writer: store.WriterInit, Changes: changes})
	})
	for w.err == nil && store.TheCluster(w.view()) == nil {
		w.runUntil(w.now().Add(100 * time.Millisecond))
	}
	for _, n := range w.nodes {
		n.boot()
	}
}

// whenLeading waits for a leader.
func (w *world) whenLeading(f func()) {
	if w.manager.leading {
		f()
		return
	}
	w.after(50*time.Millisecond, func() { w.whenLeading(f) })
}
