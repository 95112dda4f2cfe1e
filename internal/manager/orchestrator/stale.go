package orchestrator

import (
	"cmp"
	"reflect"
	"slices"
	"time"

	"github.com/skep-org/skep/internal/manager/constraint"
	"github.com/skep-org/skep/internal/model"
)

// dirty reports whether a task has to be replaced to be as the active revision asks.
func (p *plan) dirty(s *service, r *run) bool {
	if r.task.Revision == s.active.id {
		return false
	}
	of := p.revision(r.task.Revision)
	if of.fingerprint != s.active.fingerprint {
		return true
	}
	samePlacement := reflect.DeepEqual(of.placement, s.active.placement)
	if r.ended() || r.placed && samePlacement {
		return false
	}
	if !r.placed {
		return !samePlacement || !of.awaits.Equal(s.active.awaits) // it would be placed, and wait, as the old revision says
	}
	return !constraint.Match(s.active.constraints, r.node.attrs)
}

// stale reports whether the slot waits for its turn to be updated. A slot that was begun is not: from then on it is
// the restart policy's business.
func (p *plan) stale(s *service, sl *slot) bool {
	n := sl.newest()
	if sl.mode != serve || n == nil || !sl.occupied() || p.keeper(s, sl) != nil {
		return false
	}
	if !n.endedItself() {
		n = sl.last()
	}
	return p.dirty(s, n) || p.revive(s, sl)
}

// revive reports whether a rollback is to fill a slot that came to rest before it: it always ends with what was there
// before running, whatever the restart policy says.
func (p *plan) revive(s *service, sl *slot) bool {
	n := sl.newest()
	if s.rollout.State != model.RolloutRollbackStarted || sl.newestWanted() != nil || !n.endedItself() {
		return false
	}
	begun := s.stored == nil || s.rollout.Active != s.stored.Active || s.rollout.AskedIndex != s.stored.AskedIndex
	return begun || n.task.Index < s.rollout.ActiveIndex
}

// busy reports whether the slot takes one of the rollout's places, and until when if that is known.
func (p *plan) busy(s *service, sl *slot) (busy bool, until time.Time) {
	if sl.mode == leave {
		return false, until
	}
	for _, r := range sl.runs {
		if b, u := p.takesPlace(s, r); b {
			return true, u
		}
	}
	return false, until
}

// takesPlace reports that of a task: one the update made that is on its way, or ran or failed less than a delay ago.
func (p *plan) takesPlace(s *service, r *run) (busy bool, until time.Time) {
	if r.old == nil || r.task.Reason != model.ReasonUpdate || p.dirty(s, r) {
		return false, until
	}
	if !r.endedItself() && (!r.wanted() || p.leave(r) != model.ReasonNone) {
		return false, until // it makes way for another that is no part of the update
	}
	return s.config.Busy(r.seen.State, r.began(), p.now)
}

// firstToUpdate orders slots: those that do not run have nothing to lose.
func firstToUpdate(slots []*slot) []*slot {
	slices.SortStableFunc(slots, func(a, b *slot) int {
		return cmp.Or(boolInt(a.running())-boolInt(b.running()), cmp.Compare(a.number, b.number))
	})
	return slots
}

func (s *slot) running() bool { return slices.ContainsFunc(s.runs, (*run).running) }

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
