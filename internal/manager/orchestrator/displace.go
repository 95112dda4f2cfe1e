package orchestrator

import (
	"cmp"
	"slices"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/manager/resources"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// claim is what a task on a node reserves there.
type claim struct {
	task     *model.Task
	reserved *resources.Amounts
	assigned []swarm.GenericResource
	stays    bool // a job's task runs to its end, whatever the node offers
}

// displace finds the tasks that a node has no room for any more: it may offer less than when they were placed. What stays
// whatever happens is counted first, then the older task keeps its place. It adds the slots concerned to the work.
//
// All tasks of the node are added up, so this is asked only where the node's row changed, and the outcome is kept in the
// tasks' rows. Nothing else can make what stays need more than there is: the scheduler gives only what nobody has, of
// tasks that are displaced and still run neither.
//
// A paused node's tasks are left alone, as in swarm.
func (p *plan) displace(w *work, id model.ID) {
	n := p.node(id)
	if !n.ready || w.weighed[id] {
		return
	}
	w.weighed[id] = true
	offer := resources.OfferOf(&n.state.Description.Get().Resources)
	if offer.NanoCPUs <= 0 || offer.Memory <= 0 {
		return // an engine that failed to find out; to move everything for that would be worse
	}
	room := resources.Room{Offer: offer}
	for _, c := range p.claims(n, id) {
		if c.stays || room.Keeps(c.reserved, c.assigned) {
			room.Take(c.reserved, c.assigned)
			continue
		}
		p.displaced[c.task.ID] = true
		p.addSlot(w, slotOf(c.task))
	}
}

// claims lists what is reserved on a node by tasks that are to go on there, in the order in which they keep their places.
func (p *plan) claims(n *node, id model.ID) []claim {
	var out []claim
	for pl := range store.PlacedOn(p.v, id) {
		t := store.Tasks.ByID(p.v, pl.TaskID)
		if t == nil || t.Desired > model.StateComplete || t.Displaced {
			continue
		}
		if s := store.Statuses.ByID(p.v, t.ID); s != nil && s.State.Terminal() {
			continue
		}
		r := p.revision(t.Revision)
		c := claim{task: t, reserved: &r.reserved, assigned: pl.Generic, stays: model.IsJob(r.spec.Mode)}
		if !c.stays && n.leave(r) != model.ReasonNone {
			continue
		}
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b claim) int {
		return cmp.Or(boolInt(b.stays)-boolInt(a.stays), cmp.Compare(a.task.Index, b.task.Index), a.task.ID.Compare(b.task.ID))
	})
	return out
}

// placedBlindly reports whether the scheduler may not have seen the node's row when it placed a task there: it had seen
// the task's allocation, but the row may have come between that and the placement.
func (p *plan) placedBlindly(pl *model.Placement) bool {
	allocated, node := store.Allocations.ByID(p.v, pl.TaskID), store.NodeStates.ByID(p.v, pl.NodeID)
	return allocated != nil && node != nil && allocated.Index < node.Index && node.Index < pl.Index
}
