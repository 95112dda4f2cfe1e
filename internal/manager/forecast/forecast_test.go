package forecast_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/stretchr/testify/require"

	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/manager/allocator"
	"github.com/skep-org/skep/internal/manager/forecast"
	"github.com/skep-org/skep/internal/manager/orchestrator"
	"github.com/skep-org/skep/internal/manager/scheduler"
	"github.com/skep-org/skep/internal/manager/stagetest"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

func planners(e env.Env) []control.Planner {
	return []control.Planner{orchestrator.New(func() model.ID { return e.NewID() }), allocator.New(), scheduler.New()}
}

// world is a cluster of two nodes with room for two tasks each.
func world(t *testing.T) *stagetest.World {
	w := stagetest.New(t)
	for _, p := range planners(env.Seeded(7, w.Clock)) {
		w.Add(p)
	}
	for _, name := range []string{"n1", "n2"} {
		w.Node(name)
		w.Offer(name, func(r *swarm.Resources) { r.NanoCPUs = 2e9 })
	}
	return w
}

// service is a spec whose tasks reserve a core each.
func service(w *stagetest.World, name string, replicas uint64) swarm.ServiceSpec {
	spec := w.Spec(name)
	spec.Mode.Replicated = &swarm.ReplicatedService{Replicas: &replicas}
	spec.TaskTemplate.Resources = &swarm.ResourceRequirements{Reservations: &swarm.Resources{NanoCPUs: 1e9}}
	return spec
}

// ask writes a service into a forecast, as the api does.
func ask(t *testing.T, f *forecast.Forecast, spec swarm.ServiceSpec) {
	t.Helper()
	s := &model.Service{ID: model.NumID(1000 + f.View().Index()), Name: spec.Name}
	if old := store.ServiceNamed(f.View(), spec.Name); old != nil {
		*s = *old
		s.Previous = old.Revision
	}
	rev := &model.ServiceRevision{ID: model.NumID(2000 + f.View().Index()), ServiceID: s.ID, Spec: model.DocOf(spec), Fingerprint: model.Fingerprint(&spec)}
	s.Revision = rev.ID
	_, _, err := f.Commit(&store.Batch{Writer: store.WriterAPI, Changes: []store.Change{store.Revisions.Put(rev), store.Services.Put(s)}}).Result()
	require.NoError(t, err)
	require.NoError(t, f.Settle())
}

func follow(t *testing.T, f *forecast.Forecast) forecast.Outcome {
	t.Helper()
	for {
		done, err := f.Step()
		require.NoError(t, err)
		if done {
			return f.Outcome()
		}
	}
}

// shown is an outcome, a line a service and a task.
func shown(o forecast.Outcome) string {
	var b strings.Builder
	for _, s := range o.Services {
		fmt.Fprintf(&b, "%s %v stay %d %s\n", s.Name, s.Written, s.Stay, s.Update)
		for _, task := range s.Tasks {
			fmt.Fprintf(&b, "  %d %s %s→%s %s", task.Slot, task.Fate, task.From, task.To, task.Pending)
			if task.Ends {
				b.WriteString("and completes")
			}
			b.WriteString("\n")
		}
	}
	return b.String() + o.Open
}

func TestCreatedAndOneThatWaits(t *testing.T) {
	w := world(t)
	w.Settle()
	f := forecast.New(w.View(), w.Now(), planners)
	before := w.View().Index()
	ask(t, f, service(w, "web", 5))
	out := shown(follow(t, f))
	require.Contains(t, out, "web true stay 0 \n")
	require.Equal(t, 4, strings.Count(out, "starts →n"), out)
	require.Equal(t, 1, strings.Count(out, "starts → no suitable node (insufficient resources on 2 nodes)"), out)
	require.Equal(t, before, w.View().Index(), "something was written")
}

func TestRemovalLetsOthersIn(t *testing.T) {
	w := world(t)
	w.Ask(service(w, "old", 3))
	w.Ask(service(w, "new", 3))
	w.Settle()
	w.Agents()
	w.Settle()
	f := forecast.New(w.View(), w.Now(), planners)
	_, _, err := f.Commit(&store.Batch{Writer: store.WriterAPI, Changes: []store.Change{store.Services.Delete(model.KeyOf(w.ID("old")))}}).Result()
	require.NoError(t, err)
	out := shown(follow(t, f))
	require.Contains(t, out, "old true stay 0 \n")
	require.Equal(t, 3, strings.Count(out, " stops n"), out)
	require.Equal(t, 2, strings.Count(out, " starts →n"), out)
	require.NotContains(t, out, "no suitable node", out)
}

// An update takes its delays and its monitoring, and one that finds no room never ends: it is said so, and no more.
func TestUpdates(t *testing.T) {
	w := world(t)
	spec := service(w, "web", 3)
	spec.UpdateConfig = &swarm.UpdateConfig{Parallelism: 1, Delay: time.Minute, Monitor: 10 * time.Second}
	w.Ask(spec)
	for range 10 {
		w.Settle()
		w.Agents()
	}
	next := w.Spec("web")
	c := *next.TaskTemplate.ContainerSpec
	c.Image = "app:2"
	next.TaskTemplate.ContainerSpec = &c
	f := forecast.New(w.View(), w.Now(), planners)
	ask(t, f, next)
	out := follow(t, f)
	require.Equal(t, 3, strings.Count(shown(out), "restarts"), shown(out))
	require.Contains(t, shown(out), "stay 0 completed")
	require.GreaterOrEqual(t, out.Takes, 2*time.Minute+10*time.Second)
	require.Less(t, out.Takes, 4*time.Minute)

	reserved := int64(3e9)
	next.TaskTemplate.Resources = &swarm.ResourceRequirements{Reservations: &swarm.Resources{NanoCPUs: reserved}}
	f = forecast.New(w.View(), w.Now(), planners)
	ask(t, f, next)
	out = follow(t, f)
	require.Contains(t, shown(out), "stay 2 updating")
	require.Contains(t, shown(out), "no suitable node (insufficient resources on 2 nodes)")
}

// The tasks of a node that is not heard stay as they are: nobody starts them or stops them.
func TestSilentNode(t *testing.T) {
	w := world(t)
	w.Ask(service(w, "web", 4))
	for range 10 {
		w.Settle()
		w.Agents()
	}
	w.Reach("n1", model.ReachUnknown)
	w.Settle()
	f := forecast.New(w.View(), w.Now(), planners)
	ask(t, f, service(w, "web", 0))
	out := shown(follow(t, f))
	require.Equal(t, 2, strings.Count(out, "stops n1"), out)
	require.Equal(t, 2, strings.Count(out, "stops n2"), out)
}

// A job's tasks complete once they run, and what waits for it goes on. One that has completed and is removed has nothing
// to stop.
func TestJobs(t *testing.T) {
	w := world(t)
	w.Settle()
	two := uint64(2)
	job := w.Spec("migrate")
	job.Mode = swarm.ServiceMode{ReplicatedJob: &swarm.ReplicatedJob{MaxConcurrent: &two, TotalCompletions: &two}}
	job.TaskTemplate.ContainerSpec = &swarm.ContainerSpec{Image: "done:1"}
	web := service(w, "web", 1)
	web.Labels = map[string]string{"skep.depends-on.migrate": "service_completed_successfully"}
	f := forecast.New(w.View(), w.Now(), planners)
	ask(t, f, web)
	require.Contains(t, shown(f.Outcome()), "1 starts → waits for service migrate")
	ask(t, f, job)
	out := shown(follow(t, f))
	require.Equal(t, 2, strings.Count(out, "and completes"), out)
	require.Equal(t, 3, strings.Count(out, "starts →n"), out)

	w.Ask(job)
	for range 10 {
		w.Settle()
		w.Agents()
	}
	f = forecast.New(w.View(), w.Now(), planners)
	_, _, err := f.Commit(&store.Batch{Writer: store.WriterAPI, Changes: []store.Change{store.Services.Delete(model.KeyOf(w.ID("migrate")))}}).Result()
	require.NoError(t, err)
	require.Equal(t, "migrate true stay 0 \n", shown(follow(t, f)))
}

// The same state has the same forecast.
func TestTheSameAgain(t *testing.T) {
	w := world(t)
	w.Settle()
	first, second := forecast.New(w.View(), w.Now(), planners), forecast.New(w.View(), w.Now(), planners)
	spec := service(w, "web", 3)
	ask(t, first, spec)
	ask(t, second, spec)
	require.Equal(t, follow(t, first), follow(t, second))
}
