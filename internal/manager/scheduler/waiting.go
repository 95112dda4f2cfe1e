package scheduler

import (
	"cmp"
	"slices"

	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/model"
)

// groupKey is what all tasks of a group have in common: they can be placed by one look at the nodes.
type groupKey struct{ revision, node model.ID }

func (k groupKey) control() control.Key {
	return control.Key{Kind: kindGroup, Key: model.KeyPair(k.revision, k.node)}
}

// group is the tasks of one revision that wait.
type group struct {
	key     groupKey
	demand  *demand
	size    int
	line    []inLine // by slot, then id, while sorted says so; with those that have left it since
	sorted  bool
	queued  bool // it is to be placed
	telling bool // it is to be said of those in unsaid why they wait
	woken   bool // it is to be queued

	refused refusals   // at the last attempt
	waits   bool       // at the last attempt something it depends on did not hold
	awaits  []model.ID // the services that it named then
	said    string     // what the rows say of all that wait but those in unsaid; empty: nothing is known, and unsaid is
	unsaid  []model.ID // with some that wait no more
}

// inLine is a task in its group's line.
type inLine struct {
	slot uint64
	id   model.ID
}

func (a inLine) compare(b inLine) int { return cmp.Or(cmp.Compare(a.slot, b.slot), a.id.Compare(b.id)) }

func (g *group) join(t inLine) {
	g.sorted = g.sorted && (len(g.line) == 0 || g.line[len(g.line)-1].compare(t) < 0)
	g.line = append(g.line, t)
	if g.said != "" {
		g.unsaid = append(g.unsaid, t.id)
	}
	g.size++
}

// sort puts the line in order and takes out whoever has left it.
func (g *group) sort(waits func(model.ID) bool) {
	if !g.sorted {
		slices.SortFunc(g.line, inLine.compare)
		g.line = slices.Compact(g.line) // one may have left and come back
		g.sorted = true
	}
	if len(g.line) > g.size {
		g.line = slices.DeleteFunc(g.line, func(t inLine) bool { return !waits(t.id) })
	}
}

// wait says that a task waits for a node.
func (u *usage) wait(task inLine, k groupKey, d *demand) *group {
	g := u.groups[k]
	if g == nil {
		g = &group{key: k, demand: d.use(), sorted: true}
		u.groups[k] = g
	}
	u.uncount(task.id)
	if old := u.waiting[task.id]; old != g {
		if old != nil {
			u.stopWaiting(task.id)
		}
		u.waiting[task.id] = g
		g.join(task)
	}
	return g
}

// stopWaiting says that a task waits for nothing.
func (u *usage) stopWaiting(task model.ID) {
	g := u.waiting[task]
	if g == nil {
		return
	}
	delete(u.waiting, task)
	if g.size--; g.size == 0 {
		delete(u.groups, g.key)
		u.drop(g.demand)
	}
}

// enqueue has a group placed: after those that are to be placed already.
func (u *usage) enqueue(g *group) {
	switch {
	case g.queued:
		return
	case g.key.node.IsZero():
		u.queue = append(u.queue, g)
	default:
		u.pinned = append(u.pinned, g)
	}
	g.queued = true
}
