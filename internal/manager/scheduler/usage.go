package scheduler

import (
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/manager/constraint"
	"github.com/skep-org/skep/internal/model"
)

// usage is what the scheduler counted of the rows. Every method is idempotent: it says how things are, not what
// changed, so that it does not matter how often a key comes back.
//
// Invariants: a task is in tasks or in waiting or in neither; a node's use is the sum of what the tasks that point to
// it demand; a demand is kept as long as a task or a group points to it.
type usage struct {
	nodes     map[model.ID]*node
	classes   classes
	tasks     map[model.ID]counted                 // tasks that take room
	assigned  map[model.ID][]swarm.GenericResource // of those of them that have any: few do
	demands   map[model.ID]*demand                 // by revision
	profiles  map[string]*profile
	nothing   *beyond
	presences map[model.ID]*presence // by service
	waiting   map[model.ID]*group
	groups    map[groupKey]*group
	pinned    []*group // to be placed first, in this order: those that have their node; some may be empty by now
	queue     []*group // to be placed then
	telling   []*group // of whose tasks is to be said why they wait; some may wait no more
	failed    map[model.ID]failureKey
	failures  map[model.ID]map[model.ID]map[model.ID]int64 // by revision and node: when each task failed, Unix nanoseconds
	epoch     int                                          // rises when a node is, or has, something else
	held      holdings
}

// counted is where a task takes room. There is one for each running task: it is kept small.
type counted struct {
	node   *node
	demand *demand
	active bool // not being stopped
}

// failureKey: failures count against one revision on one node, another revision starts afresh.
type failureKey struct{ revision, node model.ID }

func newUsage() usage {
	return usage{
		nodes: map[model.ID]*node{}, classes: newClasses(), tasks: map[model.ID]counted{}, assigned: map[model.ID][]swarm.GenericResource{},
		demands: map[model.ID]*demand{}, profiles: map[string]*profile{}, nothing: &beyond{}, presences: map[model.ID]*presence{},
		waiting: map[model.ID]*group{}, groups: map[groupKey]*group{},
		failed: map[model.ID]failureKey{}, failures: map[model.ID]map[model.ID]map[model.ID]int64{},
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
	n.set(true, c, attrs)
	u.classes.enter(n)
	u.epoch++
}

func (u *usage) removeNode(id model.ID) {
	if n := u.nodes[id]; n != nil {
		n.set(false, capacity{}, constraint.Node{})
		u.classes.leave(n)
		u.epoch++
		u.tidy(n)
	}
}

// changed says that tasks take something else of a node.
func (u *usage) changed(n *node) {
	u.classes.touch(n)
	u.epoch++
}

// tidy drops the entry of a node that has neither rows nor tasks.
func (u *usage) tidy(n *node) {
	if !n.present && n.tasks == 0 {
		delete(u.nodes, n.id)
	}
}

// learn takes in what a revision's tasks ask for. It is forgotten with the last one that uses it.
func (u *usage) learn(revision model.ID, w wish) *demand {
	d := &demand{profile: u.profile(w.asks), beyond: u.nothing, revision: revision, present: u.presence(w.service), created: w.created}
	if len(w.volumes) > 0 || len(w.mounts) > 0 || len(w.dependencies.List) > 0 {
		b := w.beyond // the wish itself goes
		d.beyond = &b
	}
	u.demands[revision] = d
	return d
}

// use is for whoever points to it.
func (d *demand) use() *demand {
	d.users++
	return d
}

func (u *usage) profile(a asks) *profile {
	var room [256]byte
	key := a.appendKey(room[:0])
	p := u.profiles[string(key)]
	if p == nil {
		p = newProfile(a, string(key))
		u.profiles[p.key] = p
		u.classes.learn(p.questions())
	}
	p.users++
	return p
}

func (u *usage) presence(service model.ID) *presence {
	p := u.presences[service]
	if p == nil {
		p = &presence{service: service}
		u.presences[service] = p
	}
	p.users++
	return p
}

func (u *usage) drop(d *demand) {
	if d.users--; d.users > 0 {
		return
	}
	delete(u.demands, d.revision)
	if d.profile.users--; d.profile.users == 0 {
		delete(u.profiles, d.profile.key)
	}
	if d.present.users--; d.present.users == 0 {
		delete(u.presences, d.present.service)
	}
}

// count says where a task takes room, and reports whether it counted as active there and does no longer. What was
// assigned to it with the node never changes.
func (u *usage) count(task model.ID, at *model.Placement, d *demand, active bool) (retired bool) {
	old, was := u.tasks[task]
	if was && old.node.id == at.NodeID && old.demand == d && old.active == active {
		return false
	}
	c := counted{demand: d.use(), active: active} // before its last user may let go of it
	u.stopWaiting(task)
	if was {
		retired = old.active && !active
		u.uncount(task)
	}
	c.node = u.at(at.NodeID)
	u.tasks[task] = c
	if len(at.Generic) > 0 {
		u.assigned[task] = at.Generic
	}
	u.held.hold(task, c, at.Chosen())
	c.node.take(c, at.Generic)
	u.changed(c.node)
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
	u.held.letGo(task)
	u.changed(c.node)
	u.tidy(c.node)
	u.drop(c.demand)
	return true
}

// A node on which a service failed maxFailures times within failureWindow is the last one to get its tasks.
const (
	maxFailures   = 5
	failureWindow = 5 * time.Minute
)

func (u *usage) noteFailure(task model.ID, k failureKey, at int64) {
	on := u.failures[k.revision]
	if on == nil {
		on = map[model.ID]map[model.ID]int64{}
		u.failures[k.revision] = on
	}
	if on[k.node] == nil {
		on[k.node] = map[model.ID]int64{}
	}
	on[k.node][task], u.failed[task] = at, k
}

func (u *usage) forgetFailure(task model.ID) {
	k, ok := u.failed[task]
	if !ok {
		return
	}
	delete(u.failed, task)
	on := u.failures[k.revision]
	if delete(on[k.node], task); len(on[k.node]) > 0 {
		return
	}
	if delete(on, k.node); len(on) == 0 {
		delete(u.failures, k.revision)
	}
}

// recentFailures counts up; below maxFailures it says 0, for then failures do not matter.
func (u *usage) recentFailures(k failureKey, now time.Time) int {
	n := 0
	for _, at := range u.failures[k.revision][k.node] {
		if now.Sub(time.Unix(0, at)) < failureWindow {
			n++
		}
	}
	if n < maxFailures {
		return 0
	}
	return n
}

// failing are the nodes where failures of a revision matter.
func (u *usage) failing(revision model.ID, now time.Time) map[*node]int {
	var out map[*node]int
	for id := range u.failures[revision] {
		n := u.nodes[id]
		if f := u.recentFailures(failureKey{revision, id}, now); f > 0 && n != nil {
			if out == nil {
				out = map[*node]int{}
			}
			out[n] = f
		}
	}
	return out
}
