package orchestrator

import (
	"time"

	"github.com/skep-org/skep/internal/manager/rollout"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// service is a service while it is planned.
type service struct {
	id      model.ID
	stored  *model.Rollout // nil: none yet
	rollout model.Rollout
	active  *revision
	config  rollout.Config
	order   rollout.Config // whose order moves follow: the update's
	slots   []*slot

	iteration uint32 // of a job
}

// planService brings a whole service up to what is asked of it.
func (p *plan) planService(id model.ID) {
	row := store.Services.ByID(p.v, id)
	if row == nil {
		p.planRemoval(id)
		return
	}
	s := &service{id: id, stored: store.Rollouts.ByID(p.v, id), iteration: uint32(row.Iteration)}
	if rollout.Answers(s.stored, row) {
		s.rollout = *s.stored
	} else {
		s.rollout = rollout.Take(row, s.stored, p.now)
	}
	s.activate(p)
	if model.IsJob(s.active.spec.Mode) {
		p.planJob(s)
		return
	}
	s.slots = p.slots(store.TasksOf(p.v, id))
	p.countFailures(s)
	if s.active.spec.Mode.Global != nil {
		p.fitNodes(s, p.fitNode)
	} else {
		p.scale(s)
	}
	p.update(s)
	p.emitRollout(s)
	for _, sl := range s.slots {
		p.forget(s, sl)
		p.emit(sl)
	}
}

// update reconciles all slots. Those that wait to be updated come last: how many may be begun depends on the places
// the others take once they are reconciled.
func (p *plan) update(s *service) {
	var stale, begun []*slot
	for _, sl := range s.slots {
		if p.stale(s, sl) {
			stale = append(stale, sl)
		} else {
			p.reconcile(s, sl, false)
			begun = append(begun, sl)
		}
	}
	begin := p.hold(s, stale, p.advance(s, begun, len(stale)))
	for i, sl := range firstToUpdate(stale) {
		p.reconcile(s, sl, i < begin)
	}
}

// activate reads what the active revision says.
func (s *service) activate(p *plan) {
	s.active = p.revision(s.rollout.Active)
	s.config = rollout.ConfigOf(s.active.spec, s.rollout.State)
	s.order = rollout.ConfigOf(s.active.spec, model.RolloutNone)
}

func (p *plan) emitRollout(s *service) {
	if s.stored == nil || s.rollout != *s.stored {
		next := s.rollout
		p.res.Changes = append(p.res.Changes, store.Rollouts.Put(&next))
	}
}

// settledService is a service whose rollout answers what is asked; nil when the service is gone.
func (p *plan) settledService(id model.ID) *service {
	if store.Services.ByID(p.v, id) == nil {
		return nil
	}
	s := &service{id: id, stored: store.Rollouts.ByID(p.v, id)}
	s.rollout = *s.stored
	s.activate(p)
	return s
}

// planSlot looks at one slot of a service that is not being rolled out.
func (p *plan) planSlot(sl *slot) {
	s := p.settledService(sl.service)
	switch {
	case s == nil:
		p.remove(sl, model.ReasonRemoved)
		p.emit(sl)
		p.removed = append(p.removed, sl.service)
	case len(sl.runs) == 0 && (sl.node.IsZero() || sl.mode != serve):
	case sl.node.IsZero() && !sl.occupied():
		p.bury(sl)
		p.emit(sl)
	default:
		p.reconcile(s, sl, false)
		p.forget(s, sl)
		p.emit(sl)
	}
}

func (p *plan) slot(id slotID) *slot {
	if found := p.slots(store.TasksOfSlot(p.v, id.service, id.number, id.node)); len(found) > 0 {
		return found[0]
	}
	return p.newSlot(id)
}

// countFailures notes the update's tasks that failed since the last look; reconcile settles each of them in the same
// plan, so that none is counted twice. An automatic rollback takes effect at once, and what failed with the task that
// led to it does not count against the rollback.
func (p *plan) countFailures(s *service) {
	active := s.rollout.Active
	for _, sl := range s.slots {
		for _, r := range sl.runs {
			if !r.wanted() || !r.ended() || p.dirty(s, r) || s.rollout.Active != active {
				continue
			}
			e := r.end()
			if s.config.Counts(&s.rollout, &r.task, e.State, e.At, e.RanAt) {
				s.rollout = s.config.Fail(s.rollout, r.task.ID)
			}
		}
	}
	s.activate(p)
}

// advance moves the rollout on and returns how many of the stale slots to begin.
func (p *plan) advance(s *service, begun []*slot, stale int) int {
	w := rollout.Work{Stale: stale}
	var wake time.Time
	for _, sl := range begun {
		if busy, until := p.busy(s, sl); busy {
			w.Busy++
			if !until.IsZero() && (wake.IsZero() || until.Before(wake)) {
				wake = until
			}
		}
	}
	next, begin, at := s.config.Advance(s.rollout, w, p.now)
	s.rollout = next
	for _, t := range []time.Time{wake, at} {
		if !t.IsZero() {
			p.res.Wakes(serviceKey(s.id), t)
		}
	}
	return begin
}
