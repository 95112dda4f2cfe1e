package allocator

import (
	"fmt"
	"time"

	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// task lets a task go on once every network it joins is there.
func (p *plan) task(id model.ID) {
	t := store.Tasks.ByID(p.v, id)
	if t == nil || p.ended(t) {
		p.drop(id)
		return
	}
	if a := p.get(id); a != nil && a.Done {
		return // what a task was given it keeps: its state never moves backwards
	}
	a := &model.Allocation{Owner: id, Kind: model.AllocTask, Done: true}
	rev := store.Revisions.ByID(p.v, t.Revision)
	if rev == nil {
		a.Done, a.Err = false, "the revision of the service that the task is of does not exist"
		p.set(a)
		return
	}
	for _, target := range targets(rev) {
		if err := p.joins(target); err != nil {
			a.Done, a.Err = false, err.Error()
			break
		}
	}
	p.set(a)
}

// ended reports whether the task holds nothing any more.
func (p *plan) ended(t *model.Task) bool {
	pl := store.Placements.ByID(p.v, t.ID)
	var node *model.NodeState
	if pl != nil && !pl.NodeID.IsZero() {
		node = store.NodeStates.ByID(p.v, pl.NodeID)
	}
	return model.Observe(t, p.get(t.ID), pl, store.Statuses.ByID(p.v, t.ID), node, p.now).State.Terminal()
}

// joins says what a task that joins a network waits for. A network the cluster does not know is the engine's own.
func (p *plan) joins(target string) error {
	id, err := model.ParseID(target)
	if err != nil || id.IsZero() {
		return nil //nolint:nilerr // it is a name, and so the engine's own network
	}
	n := store.Networks.ByID(p.v, id)
	if n == nil {
		return fmt.Errorf("network %s was removed", target)
	}
	a := p.get(id)
	switch {
	case a == nil:
		return fmt.Errorf("network %s has no subnet yet", n.Name)
	case !a.Done:
		return fmt.Errorf("network %s: %s", n.Name, a.Err)
	}
	return nil
}

// node lists the tasks of a node whose agent was lost, or is to be given up later.
func (p *plan) node(id model.ID) []model.ID {
	n := store.NodeStates.ByID(p.v, id)
	if n != nil && n.State != model.ReachDown {
		return nil
	}
	if n != nil {
		if giveUp := time.Unix(0, n.Since).Add(model.OrphanAfter); p.now.Before(giveUp) {
			p.res.Wakes(control.Key{Kind: kindNode, Key: model.KeyOf(id)}, giveUp)
			return nil
		}
	}
	var tasks []model.ID
	for pl := range store.PlacedOn(p.v, id) {
		tasks = append(tasks, pl.TaskID)
	}
	return tasks
}
