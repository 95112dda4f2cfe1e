package sim

import (
	"time"

	"github.com/skep-org/skep/internal/agent"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// checks is what the invariants have to remember.
type checks struct {
	seen  uint64 // index up to which the change feed was looked at
	tasks map[model.ID]*seenTask
	given addresses
}

// seenTask is the furthest a task has come.
type seenTask struct {
	state   model.State
	desired model.State
	slot    slot
	started string    // the container that ran
	meddled bool      // somebody did something to its container
	lost    bool      // its node was taken for down: it may have been replaced
	stopAt  time.Time // when it was decided that it is to stop; zero: it is not
}

type slot struct {
	service model.ID
	number  uint64
	node    model.ID
}

func newChecks() checks {
	return checks{tasks: map[model.ID]*seenTask{}, given: addresses{}}
}

// applied looks at what was committed since.
func (w *world) applied() {
	c := &w.checks
	if w.view().Index() == c.seen {
		return
	}
	events, v, ok := w.ref.store.Events(c.seen)
	if !ok {
		w.fail("the change feed was outrun")
		return
	}
	c.seen = v.Index()
	for _, e := range events {
		switch row := orOld(e).(type) {
		case *model.Task:
			c.look(w, v, row.ID)
			c.slotWanted(w, v, row)
			c.jobWanted(w, v, e)
		case *model.Allocation:
			c.look(w, v, row.Owner)
			c.given.given(w, e)
		case *model.Placement:
			c.look(w, v, row.TaskID)
		case *model.TaskStatus:
			c.look(w, v, row.TaskID)
			c.report(w, e)
		case *model.NodeState:
			c.heard(w, v, e)
		}
	}
}

// report: what was reported of a task never moves backwards either, nor does it change once it has ended.
func (c *checks) report(w *world, e store.Event) {
	now, _ := e.New.(*model.TaskStatus)
	old, _ := e.Old.(*model.TaskStatus)
	switch {
	case now == nil:
	case old == nil || now.State > old.State && !old.State.Terminal():
		w.trace("status of %s: %s", short(now.TaskID), now.State)
	case now.State != old.State:
		w.fail("the status of task %s went from %s to %s", now.TaskID, old.State, now.State)
	}
}

// heard notes the nodes that were taken for down: what they run may run elsewhere, too.
func (c *checks) heard(w *world, v store.View, e store.Event) {
	now, _ := e.New.(*model.NodeState)
	if old, _ := e.Old.(*model.NodeState); now == nil || old != nil && old.State == now.State {
		return
	}
	w.trace("%s is %s: %s", w.nameOf(now.ID), now.State.Swarm(), now.Message)
	if now.State != model.ReachDown {
		return
	}
	for p := range store.PlacedOn(v, now.ID) {
		if s := c.tasks[p.TaskID]; s != nil {
			s.lost = true
		}
	}
}

func (w *world) nameOf(id model.ID) string {
	for _, n := range w.nodes {
		if n.id == id {
			return n.name
		}
	}
	return short(id)
}

// slotWanted: of a slot one task is wanted running, and beside it at most the one that is started first.
func (c *checks) slotWanted(w *world, v store.View, t *model.Task) {
	sl := slot{t.ServiceID, t.Slot, t.NodeID}
	running, wanted := 0, 0
	for other := range store.TasksOf(v, t.ServiceID) {
		if (slot{other.ServiceID, other.Slot, other.NodeID}) != sl || other.Desired > model.StateRunning {
			continue
		}
		wanted++
		if other.Desired == model.StateRunning {
			running++
		}
	}
	most := 1
	if w.users.startFirst[t.ServiceID] {
		most = 2
	}
	if running > most || wanted > 2 {
		w.fail("of slot %d of service %s %d tasks are wanted running, %d wanted at all", t.Slot, t.ServiceID, running, wanted)
	}
}

func orOld(e store.Event) store.Row {
	if e.New != nil {
		return e.New
	}
	return e.Old
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
	if t.Desired >= model.StateShutdown && s.stopAt.IsZero() {
		s.stopAt = w.now()
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
			return ct.Health == executor.Unhealthy || ct.Phase == executor.Exited
		}
	}
	return true // not there any more: the stop does nothing, as that of one that has just ended
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
	if runs := c.running(w, s.slot); runs > 1 && !s.lost && !w.users.startFirst[s.slot.service] {
		w.fail("%s: slot %d of service %s runs %d times", n.name, s.slot.number, s.slot.service, runs)
	}
}

// running counts a slot's containers on the engines that can be asked.
func (c *checks) running(w *world, sl slot) (count int) {
	for _, n := range w.nodes {
		list, _ := n.engine.List()
		for _, ct := range list {
			if s := c.tasks[ct.TaskID]; s != nil && !s.lost && s.slot == sl && ct.Phase == executor.Running {
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
