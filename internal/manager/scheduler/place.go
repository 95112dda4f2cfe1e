package scheduler

import (
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// place finds nodes for the tasks of a group, as far as there are any.
func (r *round) place(g *group) {
	if reason := r.gate(g); reason != "" {
		r.bide(g, reason)
		return
	}
	tasks := g.sorted(r.v)
	var root *branch
	if g.key.node.IsZero() {
		if tasks = r.placeHome(g, tasks); len(tasks) == 0 {
			return
		}
		root = r.tree(g)
	}
	for i, id := range tasks {
		place := func(n *node) { r.take(g, id, n) }
		if root != nil {
			if root.place(g.demand, place) == nil {
				r.pending(g, tasks[i:])
				return
			}
		} else if n := r.usage.nodes[g.key.node]; n != nil && n.present && n.refuses(g.demand) == fits {
			place(n)
		} else {
			r.pending(g, tasks[i:])
			return
		}
	}
}

// take puts one task on a node.
func (r *round) take(g *group, task model.ID, n *node) {
	d := g.demand // the group goes with its last task
	pl := &model.Placement{TaskID: task, NodeID: n.id, Generic: n.room.Assign(&d.resources)}
	r.usage.count(task, pl, g.key.revision, true, func() *demand { return d })
	r.res.Changes = append(r.res.Changes, store.Placements.Put(pl))
}

// pending says of each task why it waits, unless that is what its row says already.
func (r *round) pending(g *group, tasks []model.ID) {
	err := r.explain(g)
	for _, id := range tasks {
		r.say(id, store.Placements.ByID(r.v, id), err)
	}
}

// explain asks every node the group might have gone to, as they are now.
func (r *round) explain(g *group) string {
	g.refused = refusals{}
	if id := g.key.node; !id.IsZero() {
		n := r.usage.nodes[id]
		if n == nil || !n.present {
			return "no suitable node (the task's node was removed)"
		}
		if f := n.refuses(g.demand); f != fits {
			g.refused[f]++
		}
		return g.refused.String()
	}
	for _, n := range r.usage.nodes {
		if f := n.refuses(g.demand); n.present && f != fits {
			g.refused[f]++
		}
	}
	if g.refused == (refusals{}) {
		return "no suitable node"
	}
	return "no suitable node (" + g.refused.String() + ")"
}
