package crash

import (
	"fmt"
	"strconv"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/swarm"
)

// wanted is one service as a client asks for it.
type wanted struct {
	name     string
	global   bool
	replicas uint64
	version  int
	first    swarm.UpdateOrder
	network  string // on this cluster network; empty: the engine's own bridge
	checked  bool   // has a healthcheck
}

func image(version int) string { return "skep/whoami:" + strconv.Itoa(1+version%2) }

func (w wanted) String() string {
	return fmt.Sprintf("%s: %d replicas of version %d", w.name, w.replicas, w.version)
}

// env is what a container of the service is told.
func (w wanted) env() string { return "VERSION=" + strconv.Itoa(w.version) }

func (w wanted) spec() swarm.ServiceSpec {
	grace := 2 * time.Second // a process that is told to end before it listens to signals does not
	s := swarm.ServiceSpec{
		Annotations: swarm.Annotations{Name: w.name, Labels: map[string]string{"version": strconv.Itoa(w.version)}},
		TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{
			Image: image(w.version), Env: []string{w.env()}, StopGracePeriod: &grace,
		}},
		// A task that fails in the wake of a kill would pause its update for ever, and so be noticed.
		UpdateConfig: &swarm.UpdateConfig{
			Parallelism: 2, Monitor: 10 * time.Millisecond, FailureAction: swarm.UpdateFailureActionPause, Order: w.first,
		},
	}
	if w.network != "" {
		s.TaskTemplate.Networks = []swarm.NetworkAttachmentConfig{{Target: w.network}}
	}
	if w.checked {
		s.TaskTemplate.ContainerSpec.Healthcheck = &container.HealthConfig{
			Test: []string{"CMD", "/whoami", "-healthcheck"}, Interval: 500 * time.Millisecond, Timeout: 10 * time.Second, Retries: 20,
		}
	}
	if w.global {
		s.Mode.Global = &swarm.GlobalService{}
	} else {
		s.Mode.Replicated = &swarm.ReplicatedService{Replicas: &w.replicas}
	}
	return s
}

// is reports whether a spec the API tells is what was asked for, in the parts the clients change.
func (w wanted) is(s swarm.ServiceSpec) bool {
	c := s.TaskTemplate.ContainerSpec
	if s.Name != w.name || c == nil || len(c.Env) != 1 || c.Env[0] != w.env() ||
		s.Labels["version"] != strconv.Itoa(w.version) || c.Image != image(w.version) {
		return false
	}
	if w.global {
		return s.Mode.Global != nil
	}
	return s.Mode.Replicated != nil && s.Mode.Replicated.Replicas != nil && *s.Mode.Replicated.Replicas == w.replicas
}

// tasks is how many containers the service is to have on the one node.
func (w wanted) tasks() int {
	if w.global {
		return 1
	}
	return int(w.replicas)
}
