package scheduler

import (
	"time"

	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/manager/await"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/model/dependency"
	"github.com/skep-org/skep/internal/store"
)

// A task of a service that depends on others is given a node once that holds. Nothing is noted of it but in the placements of
// those that wait, which say for what: whether it holds is seen in the view, at each attempt. An attempt is made whenever a
// row changes by which it may have come to hold.

// sayEvery is how often it is written of a task how many of another service's it waits for: many may wait for many.
const sayEvery = time.Second

// serviceKey concerns whoever waits for a service.
func serviceKey(id model.ID) control.Key {
	return control.Key{Kind: kindService, Key: model.KeyOf(id)}
}

// dependencyInputs are the changes by which what a service is depended on for may come to hold.
func dependencyInputs() []control.Input {
	return []control.Input{
		control.On(store.Services, func(old, cur *model.Service) []control.Key {
			if old == nil || cur == nil {
				return []control.Key{{Kind: kindNames}}
			}
			return []control.Key{serviceKey(cur.ID)}
		}),
		control.On(store.Rollouts, func(old, cur *model.Rollout) []control.Key {
			if old != nil && cur != nil && old.Active == cur.Active && old.AskedIndex == cur.AskedIndex {
				return nil
			}
			if cur == nil {
				cur = old
			}
			return []control.Key{serviceKey(cur.ServiceID)}
		}),
		control.On(store.Tasks, func(old, cur *model.Task) []control.Key {
			if old != nil && cur != nil && old.Desired == cur.Desired {
				return nil
			}
			if cur == nil {
				cur = old
			}
			return []control.Key{serviceKey(cur.ServiceID)}
		}),
		control.On(store.Statuses, func(old, cur *model.TaskStatus) []control.Key {
			if cur == nil || cur.State < model.StateStarting || old != nil && old.State == cur.State {
				return nil
			}
			return keyOf(kindMoved, old, cur)
		}),
	}
}

// awaited brings those that wait for a service to another attempt.
func (r *round) awaited(service model.ID) {
	if r.announced == nil {
		r.announced = map[model.ID]struct{}{}
	}
	r.announced[service] = struct{}{}
}

// moved does it for the service of a task whose state has changed.
func (r *round) moved(task model.ID) {
	if t := store.Tasks.ByID(r.v, task); t != nil {
		r.awaited(t.ServiceID)
	}
}

// gate reports what a group waits for before any node is asked; empty: for nothing.
func (r *round) gate(g *group) string {
	g.waits, g.awaits = false, nil
	if len(g.demand.dependencies.List) == 0 {
		return ""
	}
	if r.look == nil {
		r.look = await.At(r.v)
	}
	unmet, on := r.look.Unmet(g.demand.dependencies)
	if len(unmet) == 0 {
		return ""
	}
	g.waits, g.awaits, g.refused = true, on, refusals{}
	return dependency.Reason(unmet)
}

// bide writes of a group's tasks what they wait for.
func (r *round) bide(g *group, reason string) {
	g.sort(func(id model.ID) bool { return r.usage.waiting[id] == g })
	g.said, g.unsaid = "", nil
	for _, t := range g.line {
		id := t.id
		old := store.Placements.ByID(r.v, id)
		if old != nil && old.Err != reason && dependency.ReasonIn(old.Err) != "" {
			if due := old.UpdatedAt().Add(sayEvery); due.After(r.now) {
				r.res.Wakes(g.key.control(), due)
				continue
			}
		}
		r.say(id, old, reason)
	}
}

// say writes why a task has no node, unless its row does.
func (r *round) say(task model.ID, old *model.Placement, reason string) {
	if old == nil || old.Err != reason {
		r.res.Changes = append(r.res.Changes, store.Placements.Put(&model.Placement{TaskID: task, Err: reason}))
	}
}
