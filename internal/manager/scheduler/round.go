package scheduler

import (
	"cmp"
	"slices"
	"time"

	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/manager/await"
	"github.com/skep-org/skep/internal/manager/constraint"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// round is one call of Plan: first the usage is brought up to date with the view, then groups are placed.
type round struct {
	usage *usage
	v     store.View
	now   time.Time
	due   []*group // to be placed now
	isDue map[*group]struct{}
	res   control.Result
	look  *await.Look // at what services depend on; nil: nobody asked yet
}

// takeIn brings the usage up to date with what a key concerns, and has groups placed.
func (r *round) takeIn(k control.Key) {
	switch k.Kind {
	case kindNode:
		r.node(k.A)
	case kindTask:
		r.task(k.A)
	case kindService:
		r.awaited(k.A)
	case kindMoved:
		r.moved(k.A)
	case kindNames:
		r.named()
	default:
		r.again(groupKey{k.A, k.B})
	}
}

// node takes a node's rows in; whatever changed about it may help any task that waits.
func (r *round) node(id model.ID) {
	spec := store.NodeSpecs.ByID(r.v, id)
	if spec == nil {
		r.usage.removeNode(id)
	} else {
		role := model.RoleWorker
		if i := store.NodeIdentities.ByID(r.v, id); i != nil {
			role = i.Role
		}
		state := store.NodeStates.ByID(r.v, id)
		r.usage.setNode(id, capacityOf(spec, state), constraint.NodeOf(spec, state, role))
	}
	for _, g := range r.usage.groups {
		r.wake(g)
	}
}

// task takes a task's rows in: it takes room on a node, waits for one, or has done with both.
func (r *round) task(id model.ID) {
	t := store.Tasks.ByID(r.v, id)
	pl := store.Placements.ByID(r.v, id)
	if t == nil {
		r.release(id)
		r.usage.forgetFailure(id)
		if pl != nil {
			r.res.Changes = append(r.res.Changes, store.Placements.Delete(model.KeyOf(id)))
		}
		return
	}
	if pl != nil && !pl.NodeID.IsZero() {
		r.placed(t, pl)
		return
	}
	a := store.Allocations.ByID(r.v, id)
	rev := store.Revisions.ByID(r.v, t.Revision)
	if t.Desired >= model.StateShutdown || a == nil || !a.Done || rev == nil {
		r.release(id)
		return
	}
	g := r.usage.wait(id, groupKey{t.Revision, t.NodeID}, func() *demand { return demandOf(r.v, rev) })
	r.dueNow(g)
}

// placed counts a task on its node until it has ended.
func (r *round) placed(t *model.Task, pl *model.Placement) {
	s := store.Statuses.ByID(r.v, t.ID)
	if s != nil && s.State.Terminal() {
		r.release(t.ID)
		if s.State == model.StateFailed || s.State == model.StateRejected {
			r.usage.noteFailure(t.ID, failureKey{t.Revision, pl.NodeID}, s.At)
		}
		return
	}
	active := t.Desired < model.StateShutdown
	read := func() *demand { return demandOf(r.v, store.Revisions.ByID(r.v, t.Revision)) }
	if r.usage.count(t.ID, pl, t.Revision, active, read) {
		r.freed() // one replica less on the node
	}
}

// release ends what the task took or waited for.
func (r *round) release(id model.ID) {
	r.usage.stopWaiting(id)
	if r.usage.uncount(id) {
		r.freed()
	}
}

// freed wakes the groups that wait for what running tasks take.
func (r *round) freed() {
	for _, g := range r.usage.groups {
		if g.refused[filterResources]+g.refused[filterPorts]+g.refused[filterReplicas] > 0 {
			r.wake(g)
		}
	}
}

// wake has the group placed in the next round: by then all that happens at this moment has been counted.
func (r *round) wake(g *group) { r.res.Wakes(g.key.control(), r.now) }

// again brings a group that waits up to date and places it.
func (r *round) again(k groupKey) {
	g := r.usage.groups[k]
	if g == nil {
		return
	}
	for _, id := range g.sorted(r.v) {
		r.task(id)
	}
}

func (r *round) dueNow(g *group) {
	if _, is := r.isDue[g]; !is {
		r.isDue[g] = struct{}{}
		r.due = append(r.due, g)
	}
}

// sorted lists a group's tasks by slot, then id.
func (g *group) sorted(v store.View) []model.ID {
	type entry struct {
		slot uint64
		id   model.ID
	}
	var list []entry
	for id := range g.tasks {
		e := entry{id: id}
		if t := store.Tasks.ByID(v, id); t != nil {
			e.slot = t.Slot
		}
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b entry) int { return cmp.Or(cmp.Compare(a.slot, b.slot), a.id.Compare(b.id)) })
	ids := make([]model.ID, len(list))
	for i, e := range list {
		ids[i] = e.id
	}
	return ids
}
