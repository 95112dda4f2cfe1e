package scheduler

import (
	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// A round places so many tasks at most, and of one group so many before the others have had their turn, and says of as many why
// they wait: a service of many tasks holds up no small one, and what is decided is under way while more is decided.
const (
	roundLimit = 8192
	groupLimit = 1024
)

// placeAll gives the groups that are queued their turns, until no more may be placed.
func (r *round) placeAll() {
	u := r.usage
	for _, queue := range []*[]*group{&u.pinned, &u.queue} { // a global task has no other node to go to
		for r.left > 0 && len(*queue) > 0 {
			g := (*queue)[0]
			*queue = (*queue)[1:]
			g.queued = false
			r.place(g)
		}
	}
	for _, g := range r.unplaced {
		r.pending(g)
	}
	r.tell()
	if len(u.pinned)+len(u.queue)+len(u.telling) > 0 {
		r.res.Wakes(control.Key{Kind: kindMore}, r.now)
	}
}

// place finds nodes for the tasks of a group whose turn it is, as far as there are any.
func (r *round) place(g *group) {
	if g.size == 0 {
		return
	}
	if reason := r.gate(g); reason != "" {
		r.bide(g, reason)
		return
	}
	g.sort(func(id model.ID) bool { return r.usage.waiting[id] == g })
	turn := g.line[:min(len(g.line), groupLimit, r.left)]
	if !r.placeTurn(g, turn) {
		r.unplaced = append(r.unplaced, g)
		return
	}
	g.line = g.line[len(turn):]
	if g.size > 0 {
		r.usage.enqueue(g)
	}
}

// placeTurn reports whether there was a node for each of the tasks.
func (r *round) placeTurn(g *group, turn []inLine) bool {
	if len(g.demand.mounts) > 0 {
		return r.placeWithVolumes(g, turn)
	}
	if !g.key.node.IsZero() {
		n := r.usage.nodes[g.key.node]
		for _, t := range turn {
			if n == nil || !n.present || n.refuses(g.demand) != fits {
				return false
			}
			r.take(g, t.id, n)
		}
		return true
	}
	turn = r.placeHome(g, turn)
	if len(turn) == 0 {
		return true
	}
	tree := r.tree(g)
	for _, t := range turn {
		if tree.place(func(n *node) { r.take(g, t.id, n) }) == nil {
			return false
		}
	}
	return true
}

// take puts one task on a node.
func (r *round) take(g *group, task model.ID, n *node) { r.takeWith(g, task, n, nil) }

// takeWith is take for a task that has cluster volumes.
func (r *round) takeWith(g *group, task model.ID, n *node, volumes *model.PlacedVolumes) {
	d := g.demand // the group goes with its last task
	pl := &model.Placement{TaskID: task, NodeID: n.id, Generic: n.room.Assign(&d.resources), Volumes: volumes}
	r.usage.count(task, pl, d, true)
	r.res.Changes = append(r.res.Changes, store.Placements.Put(pl))
	r.left--
}

// pending finds out why a group waits, and has it said of each task, unless that is what its row says already.
func (r *round) pending(g *group) {
	reason := r.explain(g)
	if reason != g.said {
		g.unsaid = g.unsaid[:0]
		g.sort(func(id model.ID) bool { return r.usage.waiting[id] == g })
		for _, t := range g.line {
			g.unsaid = append(g.unsaid, t.id)
		}
	}
	g.said = reason
	if len(g.unsaid) > 0 && !g.telling {
		g.telling = true
		r.usage.telling = append(r.usage.telling, g)
	}
}

// tell says of tasks why they wait, the groups in turns: so many at a time that it holds up nobody who could be placed.
func (r *round) tell() {
	u := r.usage
	for left := roundLimit; left > 0 && len(u.telling) > 0; {
		g := u.telling[0]
		u.telling = u.telling[1:]
		turn := g.unsaid[:min(len(g.unsaid), groupLimit, left)]
		for _, id := range turn {
			if u.waiting[id] == g {
				r.say(id, store.Placements.ByID(r.v, id), g.said)
				left--
			}
		}
		g.unsaid = g.unsaid[len(turn):]
		if g.telling = len(g.unsaid) > 0; g.telling {
			u.telling = append(u.telling, g)
		} else {
			g.unsaid = nil
		}
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
		about := r.aboutVolumes(g)
		return g.refused.String() + about
	}
	g.refused = r.usage.refusals(g.demand)
	about := r.aboutVolumes(g)
	if g.refused == (refusals{}) {
		return "no suitable node"
	}
	return "no suitable node (" + g.refused.String() + about + ")"
}

// refusals counts the nodes that each filter refuses. Where it does not matter whose the task is that is remembered for the
// next one that asks for the same.
func (u *usage) refusals(d *demand) refusals {
	if d.maxReplicas == 0 && d.explained == u.epoch {
		return d.refused
	}
	var refused refusals
	for _, n := range u.nodes {
		if f := n.refuses(d); n.present && f != fits {
			refused[f]++
		}
	}
	d.refused, d.explained = refused, u.epoch
	return refused
}
