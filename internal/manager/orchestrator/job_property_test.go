package orchestrator_test

import (
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/manager/stagetest"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"pgregory.net/rapid"
)

// TestJobs lets users, nodes, scheduler and agents do random things to a replicated and a global job. At every moment no
// more is wanted at once than asked for, and what completed in an iteration is not run again in it; in the end, when
// everything works again and the jobs are asked for once more, exactly as much has completed as was asked for.
func TestJobs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := &cluster{World: stagetest.New(t), t: t, beyond: map[model.ID]bool{}}
		c.start()
		for _, n := range []string{"n1", "n2", "n3"} {
			c.Node(n)
		}
		for range rapid.IntRange(5, 60).Draw(t, "steps") {
			c.jobAct()
			if rapid.Bool().Draw(t, "settle") {
				c.Settle()
				c.checkJobs()
			}
		}
		c.repairJobs()
	})
}

var jobs = []string{"job", "each"}

func (c *cluster) jobAct() {
	node := func() string { return c.pick("node", []string{"n1", "n2", "n3"}) }
	name := c.pick("job", jobs)
	switch act := c.pick("act", []string{
		"ask", "rollback", "remove", "drain", "active", "active", "down", "ready", "ready", "place", "place",
		"agent", "agent", "agent", "end", "end", "fail", "advance", "history", "leader",
	}); act {
	case "ask":
		c.askJob(name, c.pick("image", []string{"app", "done", "crash", "slow", "missing"}))
	case "end":
		c.endOne(model.StateComplete)
	case "fail":
		c.endOne(model.StateFailed)
	default:
		c.happens(act, name, node)
	}
}

func (c *cluster) askJob(name, image string) {
	spec := c.Spec(name)
	spec.TaskTemplate.ContainerSpec = &swarm.ContainerSpec{Image: image}
	c.policy(&spec)
	if name == "each" {
		spec.Mode.GlobalJob = &swarm.GlobalJob{}
	} else {
		concurrent, total := rapid.Uint64Range(0, 3).Draw(c.t, "concurrent"), rapid.Uint64Range(0, 6).Draw(c.t, "total")
		spec.Mode.ReplicatedJob = &swarm.ReplicatedJob{MaxConcurrent: &concurrent, TotalCompletions: &total}
	}
	c.Ask(spec)
}

// endOne ends a task that runs, whether it is still wanted or not.
func (c *cluster) endOne(state model.State) {
	for _, t := range c.Tasks() {
		if c.Observe(t).State == model.StateRunning && rapid.Bool().Draw(c.t, "this") {
			c.Report(t, state, 0, "")
			return
		}
	}
}

// checkJobs holds the present iteration of each job against its spec.
func (c *cluster) checkJobs() {
	type slot struct {
		number uint64
		node   model.ID
	}
	for s := range store.Services.All(c.View()) {
		wanted, completed := map[slot]int{}, map[slot]int{}
		for t := range store.TasksOf(c.View(), s.ID) {
			at := slot{t.Slot, t.NodeID}
			switch o := c.Observe(t); {
			case o.State == model.StateComplete && uint64(t.Iteration) == s.Iteration:
				completed[at]++
			case t.Desired < model.StateShutdown && o.State != model.StateComplete:
				wanted[at]++
				if uint64(t.Iteration) != s.Iteration {
					c.t.Fatalf("%s of iteration %d is wanted in iteration %d", c.World.Name(t.ID), t.Iteration, s.Iteration)
				}
			}
		}
		for at, n := range wanted {
			if n > 1 || completed[at] > 0 {
				c.t.Fatalf("%s: %d tasks are wanted in slot %d of which %d completed\n%s", s.Name, n, at.number, completed[at], c.PrintTasks(s.Name))
			}
		}
		job := store.Revisions.ByID(c.View(), s.Revision).Spec.Get().Mode.ReplicatedJob
		if job == nil {
			continue
		}
		concurrent, total := model.JobSize(job)
		if uint64(len(wanted)) > concurrent || uint64(len(wanted)+len(completed)) > total {
			c.t.Fatalf("%s: %d tasks are wanted and %d completed, of at most %d at once and %d\n%s",
				s.Name, len(wanted), len(completed), concurrent, total, c.PrintTasks(s.Name))
		}
	}
}

// repairJobs makes everything work, asks for both jobs once more and lets them come to their end.
func (c *cluster) repairJobs() {
	for _, n := range []string{"n1", "n2", "n3"} {
		c.Reach(n, model.ReachReady)
		c.available(n, swarm.NodeAvailabilityActive)
	}
	c.Work()
	for _, name := range jobs {
		c.askJob(name, "done")
	}
	for range 200 {
		c.Work()
		c.checkJobs()
		next := c.NextWake()
		if next.IsZero() {
			break
		}
		c.Advance(max(0, next.Sub(c.Now())))
	}
	for s := range store.Services.All(c.View()) {
		want, completed := uint64(3), uint64(0)
		if job := store.Revisions.ByID(c.View(), s.Revision).Spec.Get().Mode.ReplicatedJob; job != nil {
			concurrent, total := model.JobSize(job)
			if want = total; concurrent == 0 {
				want = 0
			}
		}
		for t := range store.TasksOf(c.View(), s.ID) {
			if uint64(t.Iteration) == s.Iteration && c.Observe(t).State == model.StateComplete {
				completed++
			}
		}
		if completed != want {
			c.t.Fatalf("%s: %d tasks completed, asked for were %d\n%s", s.Name, completed, want, c.PrintTasks(s.Name))
		}
	}
}
