package sim

import (
	"errors"
	"slices"
	"time"

	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/manager"
	"github.com/skep-org/skep/internal/manager/dispatcher"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

// term is what runs on a member while it leads.
type term struct {
	m        *member
	actors   []*actor
	disp     *dispatcher.Machine
	dispAct  *actor
	sessions map[dispatcher.SessionID]*session
}

// beginTerm starts the stages, if the member leads still, when there is nothing left of what it proposed before.
func (m *member) beginTerm() {
	if !m.lead.Leading || m.term != nil {
		return
	}
	w := m.w
	if slices.ContainsFunc(m.rep.Open(), func(p *store.Pending) bool { _, known, _ := p.Result(); return !known }) {
		w.after(w.soon(), m.proc.do(m.beginTerm))
		return
	}
	w.trace("m%d: leads term %d, index %d", m.id, m.lead.Term, m.store.View().Index())
	w.terms++
	t := &term{m: m, sessions: map[dispatcher.SessionID]*session{}}
	m.term = t
	c := w.committer(m)
	for _, p := range manager.Planners(env.Env{Clock: m.proc.clock, Rand: w.env.Rand}) {
		loop := control.NewLoop(p, m.store, c, m.proc.clock)
		a := &actor{p: m.proc}
		a.step = func() {
			next, err := loop.Step(m.proc.clock.Now())
			if err != nil {
				t.failed(err)
				return
			}
			a.wake(next)
		}
		t.actors = append(t.actors, a)
	}
	t.disp = dispatcher.New(m.store, c)
	t.disp.Lead(m.id)
	t.dispAct = &actor{p: m.proc, step: t.dispatch}
	t.actors = append(t.actors, t.dispAct)
	t.poke()
}

func (t *term) poke() {
	for _, a := range t.actors {
		a.poke()
	}
}

func (t *term) dispatch() {
	out, next, err := t.disp.Step(t.m.proc.clock.Now())
	if err != nil {
		t.failed(err)
		return
	}
	for _, e := range out {
		t.told(e)
		if s := t.sessions[e.Session]; s != nil {
			if f := e.Msg.GetFabric(); f != nil {
				s.fabricSent(f)
			}
			s.toAgent(e)
		}
	}
	select {
	case <-t.disp.Landed():
		t.dispAct.poke()
	default:
	}
	t.dispAct.wake(next)
}

// failed ends the term as production does: leadership is handed over, or begins anew where nobody takes it.
func (t *term) failed(err error) {
	m := t.m
	if !errors.Is(err, store.ErrNotLeader) && !errors.Is(err, store.ErrUnknownOutcome) {
		m.w.fail("m%d: %w", m.id, err)
		return
	}
	m.w.trace("m%d: the term failed: %v", m.id, err)
	t.end()
	_ = m.machine.Transfer(0) // that nobody can take over shows in a second
	m.raft.poke()
	m.w.after(time.Second, m.proc.do(m.beginTerm))
}

// end says goodbye to the agents.
func (t *term) end() {
	t.kill()
	for _, s := range t.inOrder() {
		s.toAgent(dispatcher.Envelope{End: true, Msg: wire.FromGoodbye(&wire.Goodbye{Reason: wire.Goodbye_LEADER_CHANGED})})
	}
}

// vanish is the end of a term whose process has died: the kernel closes its connections, if it can.
func (t *term) vanish(power bool) {
	t.kill()
	for _, s := range t.inOrder() {
		s.managerGone(power)
	}
}

func (t *term) kill() {
	t.m.term = nil
	for _, a := range t.actors {
		a.dead = true
	}
}

func (t *term) inOrder() []*session {
	var list []*session
	for _, s := range t.sessions {
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b *session) int { return int(a.id) - int(b.id) })
	return list
}
