package orchestrator_test

import (
	"slices"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/manager/orchestrator"
	"github.com/skep-org/skep/internal/manager/revisions"
	"github.com/skep-org/skep/internal/manager/stagetest"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"pgregory.net/rapid"
)

// The services of the property test; what is asked of them is random, but for mode and order.
var services = []struct {
	name       string
	global     bool
	startFirst bool
}{{"stop", false, false}, {"start", false, true}, {"all", true, false}}

var images = []string{"app", "app2", "slow", "crash", "done", "missing"}

// TestConverges lets users, nodes, scheduler and agents do random things in random order. At every moment no slot has
// more tasks than its order allows and no more containers run than that; in the end, when everything works again and
// nobody asks for anything more, each service is as asked.
func TestConverges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := &cluster{World: stagetest.New(t), t: t, beyond: map[model.ID]bool{}}
		c.start()
		for _, n := range []string{"n1", "n2", "n3"} {
			c.Node(n)
		}
		for range rapid.IntRange(5, 60).Draw(t, "steps") {
			c.act()
			c.checkSlots()
		}
		c.repair()
		c.checkSettled()
	})
}

type cluster struct {
	*stagetest.World
	t      *rapid.T
	beyond map[model.ID]bool // tasks whose node was down: a successor did not wait for what it may still run
}

func (c *cluster) start() {
	c.Add(orchestrator.New(c.NewID))
	c.Add(revisions.New())
}

func (c *cluster) pick(what string, from []string) string {
	return rapid.SampledFrom(from).Draw(c.t, what)
}

func (c *cluster) act() {
	node := func() string { return c.pick("node", []string{"n1", "n2", "n3"}) }
	switch act := c.pick("act", []string{
		"ask", "ask", "rollback", "remove", "drain", "pause", "active", "down", "ready", "label", "memory",
		"place", "agent", "agent", "agent", "exit", "advance", "history", "settle", "work", "leader",
	}); act {
	case "ask":
		c.ask()
	case "pause":
		c.available(node(), swarm.NodeAvailabilityPause)
	case "label":
		zone := c.pick("zone", []string{"a", "b"})
		c.EditNode(node(), func(s *swarm.NodeSpec) { s.Labels = map[string]string{"zone": zone} })
	case "memory":
		n := rapid.Int64Range(1, 8).Draw(c.t, "memory")
		c.Offer(node(), func(r *swarm.Resources) { r.MemoryBytes = n })
	case "exit":
		c.exit()
	case "work":
		c.Work()
	case "rollback", "remove":
		c.happens(act, c.service(), node)
	default:
		c.happens(act, "", node)
	}
	if rapid.Bool().Draw(c.t, "settle") {
		c.Settle()
		c.checkRoom()
	}
}

// happens is what may happen to services and jobs alike; name is of the one that a user's act is about.
func (c *cluster) happens(act, name string, node func() string) {
	switch act {
	case "rollback":
		if c.exists(name) {
			c.Rollback(name)
		}
	case "remove":
		if c.exists(name) {
			c.World.Remove(name)
		}
	case "drain":
		c.available(node(), swarm.NodeAvailabilityDrain)
	case "active":
		c.available(node(), swarm.NodeAvailabilityActive)
	case "down":
		name := node()
		c.Reach(name, model.ReachDown)
		for p := range store.PlacedOn(c.View(), c.World.ID(name)) {
			c.beyond[p.TaskID] = true
		}
	case "ready":
		c.Reach(node(), model.ReachReady)
	case "place":
		c.PlaceAll()
	case "agent":
		c.Agents()
	case "advance":
		c.Advance(rapid.SampledFrom([]time.Duration{time.Millisecond, time.Second, 10 * time.Second, 25 * time.Hour}).Draw(c.t, "by"))
	case "history":
		c.History(rapid.Int64Range(-1, 3).Draw(c.t, "limit"))
	case "leader":
		c.Depose()
		c.start()
	}
}

func (c *cluster) service() string {
	return services[rapid.IntRange(0, len(services)-1).Draw(c.t, "service")].name
}

func (c *cluster) exists(name string) bool { return store.ServiceNamed(c.View(), name) != nil }

func (c *cluster) available(node string, a swarm.NodeAvailability) {
	c.EditNode(node, func(s *swarm.NodeSpec) { s.Availability = a })
}

func (c *cluster) ask() {
	which := services[rapid.IntRange(0, len(services)-1).Draw(c.t, "service")]
	spec := c.Spec(which.name)
	spec.TaskTemplate.ContainerSpec = &swarm.ContainerSpec{Image: c.pick("image", images)}
	if rapid.Bool().Draw(c.t, "constrained") {
		spec.TaskTemplate.Placement = &swarm.Placement{Constraints: []string{"node.labels.zone!=" + c.pick("zone", []string{"a", "b"})}}
	}
	reserved := swarm.Resources{MemoryBytes: rapid.Int64Range(0, 3).Draw(c.t, "reserved")}
	spec.TaskTemplate.Resources = &swarm.ResourceRequirements{Reservations: &reserved}
	u := swarm.UpdateConfig{Parallelism: rapid.Uint64Range(0, 2).Draw(c.t, "parallelism"), Order: swarm.UpdateOrderStopFirst}
	u.FailureAction = rapid.SampledFrom([]swarm.FailureAction{"pause", "continue", "rollback"}).Draw(c.t, "action")
	u.Delay = time.Duration(rapid.IntRange(0, 2).Draw(c.t, "delay")) * time.Second
	if which.startFirst {
		u.Order = swarm.UpdateOrderStartFirst
	}
	back := u
	if back.FailureAction == swarm.UpdateFailureActionRollback {
		back.FailureAction = swarm.UpdateFailureActionPause
	}
	spec.UpdateConfig, spec.RollbackConfig = &u, &back
	c.policy(&spec)
	if which.global {
		spec.Mode.Global = &swarm.GlobalService{}
	} else {
		n := rapid.Uint64Range(0, 4).Draw(c.t, "replicas")
		spec.Mode.Replicated = &swarm.ReplicatedService{Replicas: &n}
	}
	c.Ask(spec)
}

func (c *cluster) policy(spec *swarm.ServiceSpec) {
	p := swarm.RestartPolicy{Condition: rapid.SampledFrom([]swarm.RestartPolicyCondition{"any", "any", "on-failure", "none"}).Draw(c.t, "condition")}
	delay, window := time.Second, time.Duration(rapid.IntRange(0, 1).Draw(c.t, "window"))*time.Minute
	if rapid.Bool().Draw(c.t, "delayed") {
		p.Delay = &delay
	}
	attempts := rapid.Uint64Range(0, 3).Draw(c.t, "attempts")
	p.MaxAttempts, p.Window = &attempts, &window
	spec.TaskTemplate.RestartPolicy = &p
}

// exit ends a task that runs.
func (c *cluster) exit() {
	for _, t := range c.Tasks() {
		if c.Observe(t).State == model.StateRunning && rapid.Bool().Draw(c.t, "this") {
			c.Report(t, model.StateFailed, 1, "gone")
			return
		}
	}
}

// checkSlots holds every slot against its order: a task that is wanted, and a container that may run, is alone but
// for the replacement of a start-first update. A lost node's containers are out of anyone's reach.
func (c *cluster) checkSlots() {
	type slot struct {
		service model.ID
		number  uint64
		node    model.ID
	}
	wanted, running := map[slot]int{}, map[slot]int{}
	for t := range store.Tasks.All(c.View()) {
		s, o := slot{t.ServiceID, t.Slot, t.NodeID}, c.Observe(t)
		if t.Desired <= model.StateRunning {
			wanted[s]++
		}
		gone := t.Desired > model.StateRunning && c.beyond[t.ID]
		if o.State == model.StateRunning && !gone && c.heard(o.NodeID) {
			running[s]++
		}
	}
	for s := range wanted {
		limit := 1
		if c.World.Name(s.service) == "start" {
			limit = 2
		}
		if wanted[s] > limit || running[s] > limit {
			c.t.Fatalf("slot %d of %s: %d tasks wanted, %d running; at most %d\n%s", s.number, c.World.Name(s.service), wanted[s], running[s], limit, c.PrintTasks(""))
		}
	}
}

// checkRoom adds up what is reserved on each node by tasks that no other is to follow: no more than there is, once the
// orchestrator has seen how much that is.
func (c *cluster) checkRoom() {
	v := c.View()
	for n := range store.NodeStates.All(v) {
		if !c.heard(n.ID) || store.NodeSpecs.ByID(v, n.ID).Spec.Get().Availability != swarm.NodeAvailabilityActive {
			continue
		}
		var sum int64
		for p := range store.PlacedOn(v, n.ID) {
			t := store.Tasks.ByID(v, p.TaskID)
			if t != nil && t.Desired <= model.StateRunning && !c.Observe(t).State.Terminal() && !c.followed(t) {
				sum += store.Revisions.ByID(v, t.Revision).Spec.Get().TaskTemplate.Resources.Reservations.MemoryBytes
			}
		}
		if has := n.Description.Get().Resources.MemoryBytes; sum > has {
			c.t.Fatalf("%d are reserved on %s, which has %d:\n%s", sum, c.World.Name(n.ID), has, c.PrintTasks(""))
		}
	}
}

// followed reports whether a task of its slot is to replace the task.
func (c *cluster) followed(t *model.Task) bool {
	for o := range store.TasksOfSlot(c.View(), t.ServiceID, t.Slot, t.NodeID) {
		if o.Created > t.Created && o.Desired <= model.StateRunning {
			return true
		}
	}
	return false
}

func (c *cluster) heard(node model.ID) bool {
	n := store.NodeStates.ByID(c.View(), node)
	return n != nil && n.State == model.ReachReady
}

// repair makes everything work, asks every service for something that runs and gives it the time it needs.
func (c *cluster) repair() {
	for _, n := range []string{"n1", "n2", "n3"} {
		c.Reach(n, model.ReachReady)
		c.available(n, swarm.NodeAvailabilityActive)
		c.Offer(n, func(r *swarm.Resources) { r.MemoryBytes = 1000 })
	}
	c.Work()
	for _, s := range services {
		if !c.exists(s.name) {
			continue
		}
		spec := c.Spec(s.name)
		spec.TaskTemplate.ContainerSpec = &swarm.ContainerSpec{Image: "good"}
		spec.TaskTemplate.ForceUpdate++
		spec.TaskTemplate.Placement = nil
		c.Ask(spec)
	}
	for range 200 {
		c.Work()
		c.checkSlots()
		next := c.NextWake()
		if next.IsZero() {
			return
		}
		c.Advance(max(0, next.Sub(c.Now())))
	}
	c.t.Fatalf("the services never come to rest:\n%s", c.PrintTasks(""))
}

// checkSettled compares what there is with what is asked.
func (c *cluster) checkSettled() {
	v := c.View()
	for r := range store.Rollouts.All(v) {
		s := store.Services.ByID(v, r.ServiceID)
		if s == nil {
			c.t.Fatalf("a rollout is left of a service that is gone")
		}
		if r.Active != s.Revision || r.State.InProgress() || r.State == model.RolloutPaused {
			c.t.Fatalf("%s did not come to %s: %s", s.Name, c.World.Name(s.Revision), c.PrintRollout(s.Name))
		}
	}
	for t := range store.Tasks.All(v) {
		if store.Services.ByID(v, t.ServiceID) == nil {
			c.t.Fatalf("a task is left of a service that is gone")
		}
	}
	for s := range store.Services.All(v) {
		c.checkService(s)
	}
}

func (c *cluster) checkService(s *model.Service) {
	mode := store.Revisions.ByID(c.View(), s.Revision).Spec.Get().Mode
	want := 3
	if mode.Replicated != nil {
		want = int(*mode.Replicated.Replicas)
	}
	var slots []uint64
	for t := range store.TasksOf(c.View(), s.ID) {
		o := c.Observe(t)
		if t.Desired > model.StateRunning {
			if !o.State.Terminal() {
				c.t.Fatalf("%s is not wanted but %s", c.World.Name(t.ID), o.State)
			}
			continue
		}
		if o.State != model.StateRunning || t.Revision != s.Revision || t.Desired != model.StateRunning {
			c.t.Fatalf("%s of %s is %s, wanted %s, of %s", c.World.Name(t.ID), s.Name, o.State, t.Desired, c.World.Name(t.Revision))
		}
		slots = append(slots, t.Slot)
	}
	if len(slots) != want || mode.Global == nil && len(slices.Compact(slots)) != want {
		c.t.Fatalf("%s has tasks in slots %v, asked are %d:\n%s", s.Name, slots, want, c.PrintTasks(s.Name))
	}
}
