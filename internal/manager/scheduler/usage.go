package scheduler

import (
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/manager/constraint"
	"github.com/skep-org/skep/internal/model"
)

// usage is what the scheduler counted of the rows. Every method is idempotent: it says how things are, not what
// changed, so that it does not matter how often a key comes back.
//
// Invariants: a task is in tasks or in waiting or in neither; a node's use is the sum of what the tasks that point to
// it demand; a demand is kept as long as a task or a group points to it.
type usage struct {
	nodes    map[model.ID]*node
	tasks    map[model.ID]counted                 // tasks that take room
	assigned map[model.ID][]swarm.GenericResource // of those of them that have any: few do
	demands  map[model.ID]*demand                 // by revision
	waiting  map[model.ID]*group
	groups   map[groupKey]*group
	failed   map[model.ID]failureKey
	failures map[failureKey]map[model.ID]int64 // when each task failed, Unix nanoseconds
}

// counted is where a task takes room. There is one for each running task: it is kept small.
type counted struct {
	node   *node
	demand *demand
	active bool // not being stopped
}

// groupKey is what all tasks of a group have in common: they can be placed by one look at the nodes.
type groupKey struct{ revision, node model.ID }

func (k groupKey) control() control.Key {
	return control.Key{Kind: kindGroup, Key: model.KeyPair(k.revision, k.node)}
}

type group struct {
	key     groupKey
	demand  *demand
	tasks   map[model.ID]struct{}
	refused refusals   // at the last attempt
	waits   bool       // at the last attempt something it depends on did not hold
	awaits  []model.ID // the services that it named then
}

// failureKey: failures count against one revision on one node, another revision starts afresh.
type failureKey struct{ revision, node model.ID }

func newUsage() usage {
	return usage{
		nodes: map[model.ID]*node{}, tasks: map[model.ID]counted{}, demands: map[model.ID]*demand{},
		assigned: map[model.ID][]swarm.GenericResource{},
		waiting:  map[model.ID]*group{}, groups: map[groupKey]*group{},
		failed: map[model.ID]failureKey{}, failures: map[failureKey]map[model.ID]int64{},
	}
}

// at is the node's entry; tasks may be counted on a node whose rows are gone.
func (u *usage) at(id model.ID) *node {
	n := u.nodes[id]
	if n == nil {
		n = &node{id: id}
		u.nodes[id] = n
	}
	return n
}

func (u *usage) setNode(id model.ID, c capacity, attrs constraint.Node) {
	u.at(id).set(true, c, attrs)
}

func (u *usage) removeNode(id model.ID) {
	if n := u.nodes[id]; n != nil {
		n.set(false, capacity{}, constraint.Node{})
		u.tidy(n)
	}
}

// tidy drops the entry of a node that has neither rows nor tasks.
func (u *usage) tidy(n *node) {
	if !n.present && n.tasks == 0 {
		delete(u.nodes, n.id)
	}
}

// demand is what a revision's tasks ask for; read makes it when it is not known.
func (u *usage) demand(revision model.ID, read func() *demand) *demand {
	d := u.demands[revision]
	if d == nil {
		d = read()
		d.revision = revision
		u.demands[revision] = d
	}
	d.users++
	return d
}

func (u *usage) drop(d *demand) {
	if d.users--; d.users == 0 {
		delete(u.demands, d.revision)
	}
}

// count says where a task takes room, and reports whether it counted as active there and does no longer. What was
// assigned to it with the node never changes.
func (u *usage) count(task model.ID, at *model.Placement, revision model.ID, active bool, read func() *demand) (retired bool) {
	u.stopWaiting(task)
	if c, was := u.tasks[task]; was {
		if c.node.id == at.NodeID && c.demand.revision == revision && c.active == active {
			return false
		}
		retired = c.active && !active
		u.uncount(task)
	}
	c := counted{u.at(at.NodeID), u.demand(revision, read), active}
	u.tasks[task] = c
	if len(at.Generic) > 0 {
		u.assigned[task] = at.Generic
	}
	c.node.take(c, at.Generic)
	return retired
}

// uncount says that a task takes no room, and reports whether it did.
func (u *usage) uncount(task model.ID) bool {
	c, was := u.tasks[task]
	if !was {
		return false
	}
	delete(u.tasks, task)
	c.node.release(c, u.assigned[task])
	delete(u.assigned, task)
	u.tidy(c.node)
	u.drop(c.demand)
	return true
}

// wait says that a task waits for a node.
func (u *usage) wait(task model.ID, k groupKey, read func() *demand) *group {
	u.uncount(task)
	g := u.groups[k]
	if g == nil {
		g = &group{key: k, demand: u.demand(k.revision, read), tasks: map[model.ID]struct{}{}}
		u.groups[k] = g
	}
	g.tasks[task] = struct{}{}
	u.waiting[task] = g
	return g
}

// stopWaiting says that a task waits for nothing.
func (u *usage) stopWaiting(task model.ID) {
	g := u.waiting[task]
	if g == nil {
		return
	}
	delete(u.waiting, task)
	delete(g.tasks, task)
	if len(g.tasks) == 0 {
		delete(u.groups, g.key)
		u.drop(g.demand)
	}
}

// A node on which a service failed maxFailures times within failureWindow is the last one to get its tasks.
const (
	maxFailures   = 5
	failureWindow = 5 * time.Minute
)

func (u *usage) noteFailure(task model.ID, k failureKey, at int64) {
	if u.failures[k] == nil {
		u.failures[k] = map[model.ID]int64{}
	}
	u.failures[k][task], u.failed[task] = at, k
}

func (u *usage) forgetFailure(task model.ID) {
	k, ok := u.failed[task]
	if !ok {
		return
	}
	delete(u.failed, task)
	delete(u.failures[k], task)
	if len(u.failures[k]) == 0 {
		delete(u.failures, k)
	}
}

// recentFailures counts up; below maxFailures it says 0, for then failures do not matter.
func (u *usage) recentFailures(k failureKey, now time.Time) int {
	n := 0
	for _, at := range u.failures[k] {
		if now.Sub(time.Unix(0, at)) < failureWindow {
			n++
		}
	}
	if n < maxFailures {
		return 0
	}
	return n
}
