package orchestrator

import (
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// planRemoval takes away what a service left behind: its tasks as they end, then the rows that count for it.
func (p *plan) planRemoval(service model.ID) {
	delete(p.held, service)
	for _, sl := range p.slots(store.TasksOf(p.v, service)) {
		p.remove(sl, model.ReasonRemoved)
		p.emit(sl)
	}
	p.finishRemoval(service)
}

// finishRemoval deletes the rollout and the slots with the last task.
func (p *plan) finishRemoval(service model.ID) {
	for t := range store.TasksOf(p.v, service) {
		if !p.deleted[t.ID] {
			return
		}
	}
	for row := range store.SlotsOf(p.v, service) {
		if !p.forgotten[row.Key()] {
			p.forgotten[row.Key()] = true
			p.res.Changes = append(p.res.Changes, store.Slots.Delete(row.Key()))
		}
	}
	if store.Rollouts.ByID(p.v, service) != nil && !p.finished[service] {
		p.finished[service] = true
		p.res.Changes = append(p.res.Changes, store.Rollouts.Delete(model.KeyOf(service)))
	}
}
