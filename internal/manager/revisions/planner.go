package revisions

import (
	"time"

	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// Planner is the [control.Planner]; its keys are services.
type Planner struct{}

// New returns the planner.
func New() Planner { return Planner{} }

// Name implements [control.Planner].
func (Planner) Name() string { return "revisions" }

// Writer implements [control.Planner].
func (Planner) Writer() store.Writer { return store.WriterAPI }

func key(service model.ID) []control.Key { return []control.Key{{Key: model.KeyOf(service)}} }

// Inputs implements [control.Planner].
func (Planner) Inputs() []control.Input {
	return []control.Input{
		control.On(store.Services, func(old, cur *model.Service) []control.Key {
			if cur == nil {
				return key(old.ID)
			}
			return key(cur.ID)
		}),
		control.On(store.Rollouts, func(old, cur *model.Rollout) []control.Key {
			if cur == nil {
				return key(old.ServiceID)
			}
			return key(cur.ServiceID)
		}),
		control.On(store.Tasks, func(old, cur *model.Task) []control.Key {
			if cur != nil {
				return nil
			}
			return key(old.ServiceID)
		}),
	}
}

// All implements [control.Planner].
func (Planner) All(v store.View) []control.Key {
	var keys []control.Key
	seen := map[model.ID]bool{}
	for r := range store.Revisions.All(v) {
		if !seen[r.ServiceID] {
			seen[r.ServiceID] = true
			keys = append(keys, key(r.ServiceID)...)
		}
	}
	return keys
}

// Plan implements [control.Planner].
func (Planner) Plan(v store.View, keys []control.Key, _ time.Time) (control.Result, error) {
	var res control.Result
	for _, k := range keys {
		for _, rev := range unnamed(v, k.A) {
			res.Changes = append(res.Changes, store.Revisions.Delete(rev.Key()))
		}
	}
	return res, nil
}

// unnamed lists a service's revisions that no row names.
func unnamed(v store.View, service model.ID) []*model.ServiceRevision {
	named := map[model.ID]bool{}
	s, r := store.Services.ByID(v, service), store.Rollouts.ByID(v, service)
	if s != nil {
		if r == nil || r.Asked != s.Revision || r.AskedIndex != s.Index {
			return nil
		}
		named[s.Revision], named[s.Previous] = true, true
	}
	if r != nil {
		named[r.Asked], named[r.Active], named[r.Previous] = true, true, true
	}
	var out []*model.ServiceRevision
	for rev := range store.RevisionsOf(v, service) {
		if !named[rev.ID] {
			out = append(out, rev)
		}
	}
	if len(out) == 0 {
		return nil
	}
	// Only now is it worth walking the tasks.
	for t := range store.TasksOf(v, service) {
		named[t.Revision] = true
	}
	kept := out[:0]
	for _, rev := range out {
		if !named[rev.ID] {
			kept = append(kept, rev)
		}
	}
	return kept
}
