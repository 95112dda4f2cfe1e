package dispatcher

import (
	"slices"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

// known is what a session's agent has been told and not been told to drop.
//
// Invariants: a revision is known as long as a known task is of it; a network, secret or config as long as a known
// revision needs it.
type known struct {
	full     bool // the full set has been sent
	defaults bool // the cluster's defaults have been sent as they are
	volumes  bool // the orders of its cluster volumes have been sent as they are
	tasks    map[model.ID]*model.Task
	revs     map[model.ID]*knownRev
	objects  map[model.ID]int // how many known revisions need it
	provided map[model.ID]*provided
}

type knownRev struct {
	tasks int
	needs []model.ID
}

func newKnown() known {
	return known{tasks: map[model.ID]*model.Task{}, revs: map[model.ID]*knownRev{}, objects: map[model.ID]int{}, provided: map[model.ID]*provided{}}
}

// fullSet makes the next assignments of a node with a session a full set.
func (m *Machine) fullSet(n *node) {
	n.session.known = newKnown()
	n.dirty = map[model.ID]bool{}
	m.due[n.id] = true
}

// add counts a task and sends what it needs that the agent does not have.
func (k *known) add(v store.View, a *wire.Assignments, t *model.Task, networks []model.NetworkAddr) {
	rev := k.revs[t.Revision]
	if rev == nil {
		rev = &knownRev{}
		k.revs[t.Revision] = rev
		if row := store.Revisions.ByID(v, t.Revision); row != nil {
			a.Revisions = append(a.Revisions, revision(row))
			for _, id := range needs(v, row) {
				k.need(v, a, rev, id)
			}
		}
	}
	rev.tasks++
	for _, n := range networks {
		k.need(v, a, rev, n.NetworkID)
	}
	k.tasks[t.ID] = t
}

// need sends an object unless the agent has it.
func (k *known) need(v store.View, a *wire.Assignments, rev *knownRev, id model.ID) {
	if slices.Contains(rev.needs, id) {
		return
	}
	rev.needs = append(rev.needs, id)
	if k.objects[id]++; k.objects[id] == 1 {
		object(v, a, id)
	}
}

// remove uncounts a task; what nothing needs any more is dropped by sweep, when all additions are counted.
func (k *known) remove(task model.ID) (rev model.ID) {
	rev = k.tasks[task].Revision
	k.revs[rev].tasks--
	delete(k.tasks, task)
	return rev
}

// sweep tells the agent to drop those of the revisions that no known task is of, and what only they needed.
func (k *known) sweep(a *wire.Assignments, revs []model.ID) {
	for _, id := range revs {
		rev := k.revs[id]
		if rev == nil || rev.tasks > 0 {
			continue
		}
		delete(k.revs, id)
		a.Dropped = append(a.Dropped, wire.Bytes(id))
		for _, o := range rev.needs {
			if k.objects[o]--; k.objects[o] == 0 {
				delete(k.objects, o)
				delete(k.provided, o)
				a.Dropped = append(a.Dropped, wire.Bytes(o))
			}
		}
	}
}
