package orchestrator

import (
	"slices"
	"time"

	"github.com/skep-org/skep/internal/model"
)

// reconcile brings one slot up to what is asked of it. begin: its task may be replaced by one of the active revision.
func (p *plan) reconcile(s *service, sl *slot, begin bool) {
	if sl.next != nil && sl.next.Revision != s.active.id && begin {
		sl.next = nil // what is counted of a revision ends with it
	}
	keep := p.keeper(s, sl)
	if keep == nil && sl.mode != leave {
		keep = p.succeed(s, sl, begin)
	}
	p.yield(s, sl, keep)
	p.promote(sl, keep, model.StateRunning)
}

// keeper is the task that already is what the slot is to have; nil when there is none.
func (p *plan) keeper(s *service, sl *slot) *run {
	if sl.mode == leave {
		return nil
	}
	for _, r := range slices.Backward(sl.runs) {
		if r.wanted() && !r.ended() && !p.dirty(s, r) && p.leave(r) == model.ReasonNone {
			return r
		}
	}
	return nil
}

// succeed finds, or makes, the task the slot goes on with; nil when the slot rests.
func (p *plan) succeed(s *service, sl *slot, begin bool) *run {
	last := sl.newestWanted()
	if last == nil {
		return p.refill(s, sl, begin)
	}
	if begin {
		return p.add(sl, s.active.id, model.ReasonUpdate, p.now)
	}
	if why := p.leave(last); why != model.ReasonNone && !last.endedItself() {
		return p.move(s, sl, last, why)
	}
	if !last.ended() {
		return last
	}
	if notBefore := time.Unix(0, last.task.NotBefore); notBefore.After(p.now) {
		p.res.Wakes(sl.key(), notBefore)
		return last
	}
	if next := p.restart(s, sl, last); next != nil {
		return next
	}
	return p.fallback(sl)
}

// refill decides about a slot none of whose tasks is wanted.
func (p *plan) refill(s *service, sl *slot, begin bool) *run {
	last := sl.last()
	switch {
	case sl.mode == hold:
		return nil
	case last == nil || last.task.Desired == model.StateRemove:
		return p.add(sl, s.active.id, model.ReasonCreated, p.now)
	case begin:
		return p.add(sl, s.active.id, model.ReasonUpdate, p.now)
	case last.endedItself():
		return p.restart(s, sl, last)
	case !moved(last.task.Reason):
		return p.add(sl, s.active.id, model.ReasonCreated, p.now)
	default:
		return p.move(s, sl, last, last.task.Reason)
	}
}

// moved reports whether a task stopped for this reason had to leave its node.
func moved(why model.Reason) bool {
	switch why {
	case model.ReasonConstraint, model.ReasonDrained, model.ReasonNodeGone, model.ReasonResources, model.ReasonVolume:
		return true
	}
	return false
}

// move makes a task that follows one which has to go though it did not fail.
func (p *plan) move(s *service, sl *slot, last *run, why model.Reason) *run {
	if sl.mode == hold || !p.revision(last.task.Revision).restart.Moves() {
		return nil
	}
	return p.add(sl, s.active.id, why, p.now)
}

// restart makes a task that follows one which ended by itself, if its policy allows one.
func (p *plan) restart(s *service, sl *slot, last *run) *run {
	if sl.mode == hold {
		return nil
	}
	e := last.end()
	if !p.revision(last.task.Revision).restart.Allows(sl.row, e) {
		return nil
	}
	row, at := s.active.restart.Next(sl.row, sl.slotID.row(), s.active.id, e, p.now)
	sl.count(row)
	if s.rollout.State == model.RolloutRollbackStarted && p.dirty(s, last) {
		at = p.now // what failed is not what comes back: there is no reason to wait
	}
	return p.add(sl, s.active.id, model.ReasonRestart, at)
}

// count notes what restarts were counted; a row that says nothing is not kept.
func (s *slot) count(row model.Slot) {
	if row.Attempts == 0 && row.Streak == 0 && len(row.Recent) == 0 {
		s.next = nil
		return
	}
	if s.row != nil {
		row.Meta = s.row.Meta
	}
	s.next = &row
}

// fallback is an older task that may go on when the newest one ended for good: the one a start-first update was to
// replace.
func (p *plan) fallback(sl *slot) *run {
	for _, r := range slices.Backward(sl.runs) {
		if r.wanted() && !r.ended() && p.leave(r) == model.ReasonNone {
			return r
		}
	}
	return nil
}

// yield stops what makes way for the task the slot keeps. Start-first, the one that runs now stays until that runs.
func (p *plan) yield(s *service, sl *slot, keep *run) {
	stays := p.serving(s, sl, keep)
	for _, r := range sl.runs {
		if r != keep && r != stays && r.wanted() {
			r.stop(p.whyStop(s, sl, r), model.StateShutdown, p.now)
		}
	}
}

// serving is the task that stays until the one the slot keeps runs; nil when none does.
func (p *plan) serving(s *service, sl *slot, keep *run) *run {
	if keep == nil || keep.running() || !s.startFirst() {
		return nil
	}
	for _, r := range slices.Backward(sl.runs) {
		if r != keep && r.wanted() && r.running() && !r.node.lost && !sl.takesRoom(r) {
			return r
		}
	}
	return nil
}

// takesRoom reports whether a task has what the one that follows it waits for: that has no other node to go to.
func (s *slot) takesRoom(r *run) bool { return r.task.Displaced && !s.node.IsZero() }

// startFirst follows the rollout's order while there is one, and the update's otherwise.
func (s *service) startFirst() bool {
	if s.rollout.State.InProgress() {
		return s.config.StartFirst
	}
	return s.order.StartFirst
}

func (p *plan) whyStop(s *service, sl *slot, r *run) model.Reason {
	if sl.mode == leave {
		return sl.why
	}
	if why := p.leave(r); why != model.ReasonNone {
		return why
	}
	if p.dirty(s, r) {
		return model.ReasonUpdate
	}
	return model.ReasonReplaced
}

// promote lets a ready task run, or run to its end, when its delay is over and nothing of the slot is still stopping.
func (p *plan) promote(sl *slot, keep *run, to model.State) {
	if keep == nil || keep.ended() || keep.task.Desired != model.StateReady {
		return
	}
	if at := time.Unix(0, keep.task.NotBefore); at.After(p.now) {
		p.res.Wakes(sl.key(), at)
		return
	}
	for _, r := range sl.runs {
		if r.blocks() {
			return
		}
	}
	keep.task.Desired = to
}
