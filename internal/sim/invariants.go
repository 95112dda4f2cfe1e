package sim

import (
	"github.com/skep-org/skep/internal/agent"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// checks is what the invariants have to remember.
type checks struct {
	seen  uint64 // index up to which the change feed was looked at
	tasks map[model.ID]*seenTask
	down  bool // a node was taken for down: its slots may run twice for a while
}

// seenTask is the furthest a task has come.
type seenTask struct {
	state   model.State
	desired model.State
	slot    slot
	started string // the container that ran
	meddled bool   // somebody did something to its container
}

type slot struct {
	service model.ID
	number  uint64
	node    model.ID
}

func newChecks() checks {
	return checks{tasks: map[model.ID]*seenTask{}}
}

// applied looks at what was committed.
func (w *world) applied() {
	w.users.answered(w)
	c := &w.checks
	events, v, ok := w.manager.store.Events(c.seen)
	if !ok {
		c.resync(w)
		return
	}
	c.seen = v.Index()
	for _, e := range events {
		switch row := orOld(e).(type) {
		case *model.Task:
			c.look(w, v, row.ID)
		case *model.Allocation:
			c.look(w, v, row.Owner)
		case *model.Placement:
			c.look(w, v, row.TaskID)
		case *model.TaskStatus:
			c.look(w, v, row.TaskID)
			if e.New != nil && e.Old == nil || e.New != nil && row.State != e.Old.(*model.TaskStatus).State {
				w.trace("status of %s: %s", short(row.TaskID), row.State)
			}
		case *model.NodeState:
			c.down = c.down || row.State == model.ReachDown
		}
	}
}

func orOld(e store.Event) store.Row {
	if e.New != nil {
		return e.New
	}
	return e.Old
}

// resync looks at all tasks, after a restart.
func (c *checks) resync(w *world) {
	v := w.view()
	c.seen = v.Index()
	for t := range store.Tasks.All(v) {
		c.look(w, v, t.ID)
	}
}

// look: a task never moves backwards, nor does what is wanted of it.
func (c *checks) look(w *world, v store.View, id model.ID) {
	t := store.Tasks.ByID(v, id)
	if t == nil {
		return
	}
	s := c.tasks[id]
	if s == nil {
		s = &seenTask{slot: slot{t.ServiceID, t.Slot, t.NodeID}}
		c.tasks[id] = s
		w.trace("task %s is slot %d of %s, revision %s, %s", short(id), t.Slot, short(t.ServiceID), short(t.Revision), t.Desired)
	}
	p := store.Placements.ByID(v, id)
	var n *model.NodeState
	if p != nil {
		n = store.NodeStates.ByID(v, p.NodeID)
	}
	if n == nil {
		n = &model.NodeState{State: model.ReachReady} // nodes are never removed here; one that was not heard yet is none
	}
	now := model.Observe(t, store.Allocations.ByID(v, id), p, store.Statuses.ByID(v, id), n, w.now())
	if now.State < s.state {
		w.fail("task %s went back from %s to %s", id, s.state, now.State)
	}
	if t.Desired < s.desired {
		w.fail("what is wanted of task %s went back from %s to %s", id, s.desired, t.Desired)
	}
	if t.Desired != s.desired && s.desired != 0 {
		w.trace("task %s is wanted %s: %s", short(id), t.Desired, t.Reason)
	}
	s.state, s.desired = now.State, t.Desired
}

// operation: an agent stops only what no row wants any more or what has failed, and removes only what has no row.
func (c *checks) operation(n *node, op agent.Op) {
	w := n.w
	v := w.view()
	t := store.Tasks.ByID(v, op.Task)
	switch op.Kind {
	case agent.Stop:
		s := c.tasks[op.Task]
		if t != nil && t.Desired < model.StateShutdown && !s.meddled && !c.sick(n, op.Task) {
			w.fail("%s: task %s, which is wanted %s, is stopped", n.name, op.Task, t.Desired)
		}
	case agent.Remove:
		if t != nil {
			w.fail("%s: the container of task %s is removed though the task's row is there", n.name, op.Task)
		}
	}
}

func (c *checks) sick(n *node, task model.ID) bool {
	list, _ := n.engine.List()
	for _, ct := range list {
		if ct.TaskID == task {
			return ct.Health == executor.Unhealthy
		}
	}
	return true // not there any more: the stop does nothing
}

func (c *checks) meddled(task model.ID) {
	if s := c.tasks[task]; s != nil {
		s.meddled = true
	}
}

// container: nothing of a task runs twice, and of a slot nothing runs beside another but where that is asked for.
func (c *checks) container(n *node, ct executor.Container) {
	w := n.w
	w.trace("%s: container of %s is %s %s", n.name, short(ct.TaskID), phase(ct), ct.ID[:6])
	s := c.tasks[ct.TaskID]
	if s == nil {
		w.fail("%s: there is a container for task %s, of which no row was ever seen", n.name, ct.TaskID)
		return
	}
	if ct.Phase != executor.Running {
		return
	}
	if s.started != "" && s.started != ct.ID && !s.meddled {
		w.fail("%s: task %s runs a second time", n.name, ct.TaskID)
	}
	s.started = ct.ID
	if runs := c.running(w, s.slot); runs > 1 && !c.down && !w.users.startFirst[s.slot.service] {
		w.fail("%s: slot %d of service %s runs %d times", n.name, s.slot.number, s.slot.service, runs)
	}
}

// running counts a slot's containers on the engines that can be asked.
func (c *checks) running(w *world, sl slot) (count int) {
	for _, n := range w.nodes {
		list, _ := n.engine.List()
		for _, ct := range list {
			if s := c.tasks[ct.TaskID]; s != nil && s.slot == sl && ct.Phase == executor.Running {
				count++
			}
		}
	}
	return count
}

func phase(c executor.Container) string {
	word := [...]string{"created", "running", "exited", "gone"}[c.Phase]
	return word + [...]string{"", " starting", " healthy", " unhealthy"}[c.Health]
}
