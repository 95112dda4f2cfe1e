package manager_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/manager/allocator"
	"github.com/skep-org/skep/internal/manager/orchestrator"
	"github.com/skep-org/skep/internal/manager/scheduler"
	"github.com/skep-org/skep/internal/manager/stagetest"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/model/dependency"
	"github.com/skep-org/skep/internal/store"
	"pgregory.net/rapid"
)

// chain is five services of which each waits for the one before, and the third cannot start.
type chain struct{ *stagetest.World }

func newChain(t stagetest.TB) *chain {
	c := &chain{stagetest.New(t)}
	c.lead()
	c.Node("n1")
	c.Node("n2")
	c.ask("s5", "app", dependency.Dependency{Service: "s4", Condition: dependency.Started})
	c.ask("s4", "slow", dependency.Dependency{Service: "s3", Condition: dependency.Healthy})
	c.ask("s3", "missing", dependency.Dependency{Service: "s2", Condition: dependency.Completed})
	c.ask("s2", "done", dependency.Dependency{Service: "s1", Condition: dependency.Healthy})
	c.ask("s1", "slow")
	return c
}

func (c *chain) lead() {
	c.Depose()
	c.Add(orchestrator.New(c.NewID))
	c.Add(allocator.New())
	c.Add(scheduler.New())
}

func (c *chain) ask(name, image string, after ...dependency.Dependency) {
	spec := swarm.ServiceSpec{}
	spec.Name, spec.Labels = name, map[string]string{}
	spec.TaskTemplate.ContainerSpec = &swarm.ContainerSpec{Image: image}
	spec.Mode.Replicated = &swarm.ReplicatedService{Replicas: new(uint64(2))}
	if name == "s2" {
		spec.Mode = swarm.ServiceMode{ReplicatedJob: &swarm.ReplicatedJob{TotalCompletions: new(uint64(2))}}
	}
	for _, d := range after {
		label, condition := d.Label()
		spec.Labels[label] = condition
	}
	c.Ask(spec)
}

// work lets a second pass so many times; wherever changes says so another manager leads from then on.
func (c *chain) work(seconds int, changes func() bool) {
	for range seconds {
		if changes() {
			c.lead()
		}
		c.Settle()
		c.Agents()
		c.Settle()
		c.Advance(time.Second)
	}
}

// outcome is what is said of the tasks that are wanted, and of a job's that completed.
func (c *chain) outcome(leaveOut string) []string {
	said := map[string]bool{}
	for _, t := range c.Tasks() {
		if name := c.Name(t.ServiceID); t.Desired <= model.StateComplete && name != leaveOut {
			o := c.Observe(t)
			said[fmt.Sprintf("%s.%d: %s %s", name, t.Slot, o.State, o.Err)] = true
		}
	}
	return slices.Sorted(maps.Keys(said))
}

// inOrder holds every task that a node has to what its service depended on when the node was chosen: what completed or ran
// then does so still, as nothing but the third service fails.
func (c *chain) inOrder(t *rapid.T) {
	placed := map[string]int{}
	for p := range store.Placements.All(c.View()) {
		if task := store.Tasks.ByID(c.View(), p.TaskID); task != nil && !p.NodeID.IsZero() {
			placed[c.Name(task.ServiceID)]++
		}
	}
	for i := 2; i <= 5; i++ {
		before, this := fmt.Sprintf("s%d", i-1), fmt.Sprintf("s%d", i)
		if placed[this] > 0 && placed[before] < 2 {
			t.Fatalf("%s has a task on a node, and %s has %d of 2", this, before, placed[before])
		}
	}
}

// TestChainOfFive: what waits says for what, whoever leads and however often that changes, and once the service in the middle
// is mended all come up, in their order.
func TestChainOfFive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newChain(t)
		changes := func() bool {
			c.inOrder(t)
			return rapid.Bool().Draw(t, "another leads")
		}
		c.work(40, changes)
		waits := []string{
			"s1.1: running ", "s1.2: running ", "s2.0: complete ", "s2.1: complete ",
			"s4.1: pending waits for service s3 to be healthy (0 of 2)", "s4.2: pending waits for service s3 to be healthy (0 of 2)",
			"s5.1: pending waits for service s4 to start (0 of 2)", "s5.2: pending waits for service s4 to start (0 of 2)",
		}
		if got := c.outcome("s3"); !slices.Equal(got, waits) {
			t.Fatalf("it came to %q", got)
		}
		c.ask("s3", "app", dependency.Dependency{Service: "s2", Condition: dependency.Completed})
		c.work(40, changes)
		for _, line := range c.outcome("s2") {
			if line[4:] != ": running " {
				t.Fatalf("it came to %q", c.outcome(""))
			}
		}
		if n := len(c.outcome("")); n != 10 {
			t.Fatalf("it came to %q", c.outcome(""))
		}
	})
}
