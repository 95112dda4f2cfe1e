package orchestrator

import (
	"maps"
	"slices"

	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/manager/await"
	"github.com/skep-org/skep/internal/manager/rollout"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/model/dependency"
	"github.com/skep-org/skep/internal/store"
)

// held are the updates that wait for other services. Whether they still do is asked in each plan: any row that changes may
// be the one. It is a cache of the view: All starts it over.
type held map[model.ID]wait

// wait is what an update depends on, and what of it did not hold when the rollout was planned last.
type wait struct {
	on     dependency.Set
	reason string
}

// heldKey has nothing but the held updates looked at.
func heldKey() control.Key { return control.Key{Kind: kindHeld} }

// changed lists the services whose updates wait for something else than before, or for nothing any more.
func (h held) changed(look *await.Look) []model.ID {
	var out []model.ID
	for _, id := range slices.SortedFunc(maps.Keys(h), model.ID.Compare) {
		if unmet, _ := look.Unmet(h[id].on); dependency.Reason(unmet) != h[id].reason {
			out = append(out, id)
		}
	}
	return out
}

// lookAgain has held updates looked at when this plan is in the view, if it changed tasks that they may wait for.
func (p *plan) lookAgain() {
	if len(p.held) > 0 && slices.ContainsFunc(p.res.Changes, func(c store.Change) bool { return c.Table == store.Tasks.ID() }) {
		p.res.Wakes(heldKey(), p.now)
	}
}

// hold keeps a rollout from stopping tasks that run, where those that are to follow would wait for another service: of the
// slots that may be begun it leaves those that have nothing to lose. The rollout says what it waits for.
func (p *plan) hold(s *service, stale []*slot, begin int) int {
	delete(p.held, s.id)
	if len(stale) == 0 || rollout.Paused(s.rollout.State) {
		s.rollout = rollout.Hold(s.rollout, "")
		return begin
	}
	unmet, _ := p.look.Unmet(s.active.awaits)
	reason := dependency.Reason(unmet)
	s.rollout = rollout.Hold(s.rollout, reason)
	if reason == "" {
		return begin
	}
	p.held[s.id] = wait{s.active.awaits, reason}
	idle := 0
	for _, sl := range stale {
		idle += 1 - boolInt(sl.running())
	}
	return min(begin, idle)
}
