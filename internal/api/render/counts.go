package render

import (
	"iter"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// Counts counts services' tasks in one view.
type Counts struct {
	v     store.View
	now   time.Time
	nodes map[model.ID]*model.NodeState // those met; nil: there is none
	all   map[model.ID]*tally           // by service; nil until all are counted
}

// NewCounts counts for a few services: the tasks of each are looked at when it is asked for.
func NewCounts(v store.View) *Counts {
	return &Counts{v: v, now: time.Unix(0, v.Now()), nodes: map[model.ID]*model.NodeState{}}
}

// CountAll counts for all services, in one pass over the tasks. It keeps a few numbers a service.
func CountAll(v store.View) *Counts {
	c := NewCounts(v)
	c.all = make(map[model.ID]*tally, store.Services.Len(v))
	for s := range store.Services.All(v) {
		c.all[s.ID] = tallyOf(v, s)
	}
	for r := range inStep(v) {
		if n := c.all[r.task.ServiceID]; n != nil && n.counts(r.task) {
			n.add(r.task, c.state(r))
		}
	}
	return c
}

// States counts all tasks by their states, in one pass.
func States(v store.View) map[model.State]int {
	c, out := NewCounts(v), map[model.State]int{}
	for r := range inStep(v) {
		out[c.state(r)]++
	}
	return out
}

// inStep yields the rows of every task. Their tables are walked side by side, which takes a fraction of the time that looking
// each row up does.
func inStep(v store.View) iter.Seq[rows] {
	return func(yield func(rows) bool) {
		allocations, placements, statuses := store.Allocations.Beside(v), store.Placements.Beside(v), store.Statuses.Beside(v)
		for t := range store.Tasks.All(v) {
			if !yield(rows{t, allocations.ByID(t.ID), placements.ByID(t.ID), statuses.ByID(t.ID)}) {
				return
			}
		}
	}
}

// Status is what a service asks for, and its tasks counted; of a job those of the present iteration.
func (c *Counts) Status(s *model.Service) *swarm.ServiceStatus {
	n := c.all[s.ID]
	if n == nil {
		n = tallyOf(c.v, s)
		for t := range store.TasksOf(c.v, s.ID) {
			if n.counts(t) {
				n.add(t, c.state(rowsOf(c.v, t)))
			}
		}
	}
	return &n.ServiceStatus
}

func (c *Counts) state(r rows) model.State {
	var node *model.NodeState
	if r.placement != nil {
		node = c.node(r.placement.NodeID)
	}
	return model.Observe(r.task, r.allocation, r.placement, r.status, node, c.now).State
}

func (c *Counts) node(id model.ID) *model.NodeState {
	if known, ok := c.nodes[id]; ok {
		return known
	}
	c.nodes[id] = store.NodeStates.ByID(c.v, id)
	return c.nodes[id]
}

// tally is the count of one service.
type tally struct {
	swarm.ServiceStatus
	mode      swarm.ServiceMode // of the spec it has now
	job       bool
	iteration uint64
}

func tallyOf(v store.View, s *model.Service) *tally {
	n := &tally{iteration: s.Iteration}
	if current, _ := Revisions(v, s); current != nil {
		n.mode = current.Spec.Get().Mode
	}
	n.job = model.IsJob(n.mode)
	n.DesiredTasks = Replicas(n.mode)
	return n
}

func (n *tally) counts(t *model.Task) bool { return !n.job || uint64(t.Iteration) == n.iteration }

func (n *tally) add(t *model.Task, state model.State) {
	switch {
	case n.mode.Global != nil && t.Desired == model.StateRunning,
		n.mode.GlobalJob != nil && t.Desired < model.StateShutdown && !state.Terminal():
		n.DesiredTasks++
	}
	switch {
	case state == model.StateRunning && t.Desired < model.StateShutdown:
		n.RunningTasks++
	case state == model.StateComplete:
		n.CompletedTasks++
	}
}
