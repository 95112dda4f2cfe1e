package forecast

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// agents stand in for the nodes' agents: nothing takes time and nothing fails. A job's task completes once it runs.
type agents struct {
	seen  uint64 // what has changed since is to be looked at
	first bool   // everything is
}

func newAgents(v store.View) agents { return agents{seen: v.Index(), first: true} }

// act lets every agent that is heard take one step with each of its tasks, the oldest first, and reports whether one did.
// Each tells of it in a message of its own: no two tasks come up at the same moment.
func (f *Forecast) act() (worked bool, err error) {
	for _, id := range f.due() {
		v := f.store.View()
		change := f.report(v, id)
		if change == nil {
			continue
		}
		b := &store.Batch{Writer: store.WriterDispatcher, Changes: []store.Change{*change}}
		if _, _, err := f.commit.Commit(b).Result(); err != nil {
			return false, fmt.Errorf("the cluster's decisions cannot be foreseen: %w", err)
		}
		worked = true
	}
	return worked, nil
}

// due are the tasks that something changed about, each once.
func (f *Forecast) due() []model.ID {
	events, v, ok := f.store.Events(f.agents.seen)
	f.agents.seen = v.Index()
	known := map[model.ID]bool{}
	if !ok || f.agents.first {
		f.agents.first = false
		for t := range store.Tasks.All(v) {
			known[t.ID] = true
		}
	}
	for _, e := range events {
		row := e.New
		if row == nil {
			row = e.Old
		}
		if e.Table == store.Tasks.ID() || e.Table == store.Placements.ID() || e.Table == store.Statuses.ID() {
			known[row.Key().A] = true
		}
	}
	var due []*model.Task
	for id := range known {
		t := store.Tasks.ByID(v, id)
		if t == nil {
			t = &model.Task{ID: id} // it has a status at most
		}
		due = append(due, t)
	}
	slices.SortFunc(due, func(a, b *model.Task) int {
		return cmp.Or(cmp.Compare(a.Created, b.Created), a.ServiceID.Compare(b.ServiceID), cmp.Compare(a.Slot, b.Slot), a.NodeID.Compare(b.NodeID), a.ID.Compare(b.ID))
	})
	ids := make([]model.ID, len(due))
	for i, t := range due {
		ids[i] = t.ID
	}
	return ids
}

// report is what a task's agent has to say of it.
func (f *Forecast) report(v store.View, id model.ID) *store.Change {
	t, old := store.Tasks.ByID(v, id), store.Statuses.ByID(v, id)
	if t == nil {
		if old == nil {
			return nil
		}
		return new(store.Statuses.Delete(model.KeyOf(id)))
	}
	p := store.Placements.ByID(v, id)
	if p == nil || p.NodeID.IsZero() {
		return nil
	}
	if n := store.NodeStates.ByID(v, p.NodeID); n == nil || n.State != model.ReachReady {
		return nil
	}
	next := model.TaskStatus{TaskID: id}
	if old != nil {
		next = *old
	}
	at := next.State
	switch {
	case at.Terminal():
		return nil
	case t.Desired >= model.StateShutdown:
		next.Detail = &model.TaskDetail{}
		if at == model.StateRunning {
			next.Detail.RanAt = old.At
		}
		next.State = model.StateShutdown
	case at < model.StateReady:
		next.State = model.StateReady
	case t.Desired >= model.StateRunning && at < model.StateRunning:
		next.State = model.StateRunning
	case t.Desired == model.StateComplete:
		next.State = model.StateComplete
	default:
		return nil
	}
	next.At = f.clock.Now().UnixNano()
	return new(store.Statuses.Put(&next))
}
