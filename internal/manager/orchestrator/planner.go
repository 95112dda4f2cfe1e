package orchestrator

import (
	"time"

	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// Planner is the orchestrator's [control.Planner].
type Planner struct {
	newID func() model.ID
	held  held
}

// New returns the orchestrator; newID draws the ids of new tasks.
func New(newID func() model.ID) *Planner { return &Planner{newID: newID, held: held{}} }

// Name implements [control.Planner].
func (*Planner) Name() string { return "orchestrator" }

// Writer implements [control.Planner].
func (*Planner) Writer() store.Writer { return store.WriterOrchestrator }

// All implements [control.Planner]: the services there are, and those that left rows behind; and the nodes, which may have
// come to offer less while nobody led.
func (pl *Planner) All(v store.View) []control.Key {
	pl.held = held{}
	var keys []control.Key
	seen := map[model.ID]bool{}
	add := func(service model.ID) {
		if !seen[service] {
			seen[service] = true
			keys = append(keys, serviceKey(service))
		}
	}
	for s := range store.Services.All(v) {
		add(s.ID)
	}
	for r := range store.Rollouts.All(v) {
		add(r.ServiceID)
	}
	for t := range store.Tasks.All(v) {
		add(t.ServiceID)
	}
	for n := range store.NodeSpecs.All(v) {
		keys = append(keys, nodeKey(n.ID))
	}
	return keys
}

// Plan implements [control.Planner].
func (pl *Planner) Plan(v store.View, keys []control.Key, now time.Time) (control.Result, error) {
	p := newPlan(v, now, pl)
	w := p.resolve(keys)
	for _, id := range pl.held.changed(p.look) {
		w.addService(id)
	}
	slots := p.loadSlots(&w)
	for _, id := range w.services {
		p.planService(id)
	}
	for _, sl := range slots {
		if !w.hasService[sl.service] {
			p.planSlot(sl)
		}
	}
	for i, id := range p.removed {
		if i == 0 || p.removed[i-1] != id { // once for many of its slots: each time all that is deleted is passed over
			p.finishRemoval(id)
		}
	}
	p.lookAgain()
	return p.res, nil
}
