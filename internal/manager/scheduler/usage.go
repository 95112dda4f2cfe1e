package scheduler

import (
	"time"

	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/manager/constraint"
	"github.com/skep-org/skep/internal/model"
)

// usage is what the scheduler counted of the rows. Every method is idempotent: it says how things are, not what
// changed, so that it does not matter how often a key comes back.
//
// Invariants: a task is in tasks or in waiting or in neither; the count of a bucket is the number of tasks that point
// to it; a node's use is the sum of its buckets' demands times their counts.
type usage struct {
	nodes    map[model.ID]*node
	tasks    map[model.ID]*bucket // tasks that take room, by id
	buckets  map[countKey]*bucket
	waiting  map[model.ID]*group
	groups   map[groupKey]*group
	failed   map[model.ID]failureKey
	failures map[failureKey]map[model.ID]int64 // when each task failed, Unix nanoseconds
}

// countKey is what all tasks of a bucket have in common. A million tasks share a few buckets a node.
type countKey struct {
	node, revision model.ID
	active         bool // not being stopped
}

type bucket struct {
	key    countKey
	demand *demand
	n      int
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
	refused refusals // at the last attempt
}

// failureKey: failures count against one revision on one node, another revision starts afresh.
type failureKey struct{ revision, node model.ID }

func newUsage() usage {
	return usage{
		nodes: map[model.ID]*node{}, tasks: map[model.ID]*bucket{}, buckets: map[countKey]*bucket{},
		waiting: map[model.ID]*group{}, groups: map[groupKey]*group{},
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
	n := u.at(id)
	n.present, n.capacity, n.attrs = true, c, attrs
}

func (u *usage) removeNode(id model.ID) {
	if n := u.nodes[id]; n != nil {
		n.present, n.capacity, n.attrs = false, capacity{}, constraint.Node{}
		u.tidy(n)
	}
}

// tidy drops the entry of a node that has neither rows nor tasks.
func (u *usage) tidy(n *node) {
	if !n.present && n.buckets == 0 {
		delete(u.nodes, n.id)
	}
}

// count says where a task takes room, and returns where it was counted before if that is another place.
func (u *usage) count(task model.ID, k countKey, d func() *demand) (old countKey, moved bool) {
	u.stopWaiting(task)
	if b := u.tasks[task]; b != nil {
		if b.key == k {
			return b.key, false
		}
		old, moved = b.key, true
		u.uncount(task)
	}
	b := u.buckets[k]
	n := u.at(k.node)
	if b == nil {
		b = &bucket{key: k, demand: d()}
		u.buckets[k] = b
		n.buckets++
	}
	b.n++
	u.tasks[task] = b
	n.take(b, +1)
	return old, moved
}

// uncount says that a task takes no room, and reports whether it did.
func (u *usage) uncount(task model.ID) bool {
	b := u.tasks[task]
	if b == nil {
		return false
	}
	delete(u.tasks, task)
	n := u.nodes[b.key.node]
	n.take(b, -1)
	if b.n--; b.n == 0 {
		delete(u.buckets, b.key)
		n.buckets--
		u.tidy(n)
	}
	return true
}

// wait says that a task waits for a node.
func (u *usage) wait(task model.ID, k groupKey, d func() *demand) *group {
	u.uncount(task)
	g := u.groups[k]
	if g == nil {
		g = &group{key: k, demand: d(), tasks: map[model.ID]struct{}{}}
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
