package orchestrator_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/manager/orchestrator"
	"github.com/skep-org/skep/internal/manager/stagetest"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// rounds is how often a leader is deposed, each time at another moment of the update.
const rounds = 10

// TestBrokenUpdate updates ten replicas to an image that does not work, with each failure action. Whenever the leader is
// deposed, the outcome is that of an update without that; and where the update was rolled back, a change of something
// else afterwards keeps the image that works.
func TestBrokenUpdate(t *testing.T) {
	for _, c := range []struct {
		image, action, want string
	}{
		{"missing", "pause", "paused, asked missing, running app*8, then asked missing"},
		{"missing", "continue", "completed, asked missing, running , then asked missing"},
		{"missing", "rollback", "rollback_completed, asked app, running app*10, then asked app"},
		{"crash", "pause", "paused, asked crash, running app*6, then asked crash"},
		{"crash", "continue", "completed, asked crash, running , then asked crash"},
		{"crash", "rollback", "rollback_completed, asked app, running app*10, then asked app"},
	} {
		t.Run(c.image+" "+c.action, func(t *testing.T) {
			for round := range rounds + 1 {
				if got := brokenUpdate(t, c.image, c.action, round-1); got != c.want {
					t.Errorf("leader deposed at moment %d: got %s\nwant %s", round-1, got, c.want)
				}
			}
		})
	}
}

// brokenUpdate plays one round and says how it ended. Another leader takes over at the moment of that number; none for
// a negative one.
func brokenUpdate(t *testing.T, image, action string, at int) string {
	w := stagetest.New(t)
	w.Add(orchestrator.New(w.NewID))
	for _, n := range []string{"n1", "n2", "n3"} {
		w.Node(n)
	}
	ten, later := uint64(10), time.Hour
	spec := w.Spec("web")
	spec.Mode.Replicated = &swarm.ReplicatedService{Replicas: &ten}
	spec.TaskTemplate.RestartPolicy = &swarm.RestartPolicy{Delay: &later}
	spec.UpdateConfig = &swarm.UpdateConfig{Parallelism: 2, FailureAction: swarm.FailureAction(action), Monitor: 5 * time.Second}
	w.Ask(spec)
	w.Work()
	spec.TaskTemplate.ContainerSpec = &swarm.ContainerSpec{Image: image}
	w.Ask(spec)
	for moment := range 60 {
		if moment == at {
			w.Depose()
			w.Add(orchestrator.New(w.NewID))
		}
		w.Settle()
		w.PlaceAll()
		w.Agents()
		w.Advance(time.Second)
	}
	s := store.ServiceNamed(w.View(), "web")
	outcome := fmt.Sprintf("%s, asked %s, running %s", store.Rollouts.ByID(w.View(), s.ID).State.Swarm(), w.Spec("web").TaskTemplate.ContainerSpec.Image, runs(w))
	changed := w.Spec("web")
	c := *changed.TaskTemplate.ContainerSpec
	c.Env = append(slices.Clone(c.Env), "A=1")
	changed.TaskTemplate.ContainerSpec = &c
	w.Ask(changed)
	w.Work()
	return outcome + ", then asked " + w.Spec("web").TaskTemplate.ContainerSpec.Image
}

// runs counts the tasks that run, by image.
func runs(w *stagetest.World) string {
	count := map[string]int{}
	for _, t := range w.Tasks() {
		if w.Observe(t).State == model.StateRunning && t.Desired == model.StateRunning {
			count[store.Revisions.ByID(w.View(), t.Revision).Spec.Get().TaskTemplate.ContainerSpec.Image]++
		}
	}
	var out []string
	for _, image := range slices.Sorted(maps.Keys(count)) {
		out = append(out, fmt.Sprintf("%s*%d", image, count[image]))
	}
	return strings.Join(out, " ")
}
