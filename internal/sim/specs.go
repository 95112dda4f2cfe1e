package sim

import (
	"fmt"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
)

// newSpec draws a service.
func (w *world) newSpec(name string) swarm.ServiceSpec {
	spec := swarm.ServiceSpec{Annotations: swarm.Annotations{Name: name}}
	spec.TaskTemplate.ContainerSpec = &swarm.ContainerSpec{Image: "app:0"}
	if w.opts.Depend {
		w.depend(&spec)
	}
	if w.chance(200) {
		return w.newJob(spec)
	}
	if w.chance(200) {
		spec.Mode.Global = &swarm.GlobalService{}
	} else {
		spec.Mode.Replicated = &swarm.ReplicatedService{Replicas: new(uint64(w.rng.IntN(7)))}
	}
	if w.chance(250) {
		spec.TaskTemplate.ContainerSpec.Healthcheck = &container.HealthConfig{Test: []string{"CMD", "check"}}
	}
	w.changePolicies(&spec)
	w.joinNetworks(&spec)
	return spec
}

// change draws an update of a service.
func (w *world) change(spec *swarm.ServiceSpec) {
	switch {
	case w.chance(400) && spec.Mode.Replicated != nil:
		spec.Mode.Replicated = &swarm.ReplicatedService{Replicas: new(uint64(w.rng.IntN(9)))}
	case w.chance(400) && spec.Mode.ReplicatedJob != nil:
		spec.Mode.ReplicatedJob = w.newSize()
	case w.chance(800):
		c := *spec.TaskTemplate.ContainerSpec
		w.users.nextTag++
		name, _, _ := strings.Cut(c.Image, ":")
		c.Image = fmt.Sprintf("%s:%d", name, w.users.nextTag)
		spec.TaskTemplate.ContainerSpec = &c
	case w.chance(300):
		w.joinNetworks(spec)
	case w.chance(500):
		spec.TaskTemplate.ForceUpdate++
	default:
		w.changePolicies(spec)
	}
}

func (w *world) changePolicies(spec *swarm.ServiceSpec) {
	grace, delay := w.upTo(12*time.Second), w.upTo(3*time.Second)
	c := *spec.TaskTemplate.ContainerSpec
	c.StopGracePeriod = &grace
	spec.TaskTemplate.ContainerSpec = &c
	r := &swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionAny, Delay: &delay}
	if w.chance(150) {
		r.Condition = swarm.RestartPolicyConditionOnFailure
	}
	if w.chance(150) {
		r.MaxAttempts = new(uint64(1 + w.rng.IntN(4)))
		if w.chance(500) {
			r.Window = new(w.upTo(20 * time.Second))
		}
	}
	spec.TaskTemplate.RestartPolicy = r
	spec.UpdateConfig, spec.RollbackConfig = w.newUpdate(), w.newUpdate()
	if spec.RollbackConfig.FailureAction == swarm.UpdateFailureActionRollback {
		spec.RollbackConfig.FailureAction = swarm.UpdateFailureActionPause
	}
	if model.IsJob(spec.Mode) {
		spec.UpdateConfig, spec.RollbackConfig = nil, nil
	}
}

func (w *world) newUpdate() *swarm.UpdateConfig {
	actions := []swarm.FailureAction{swarm.UpdateFailureActionPause, swarm.UpdateFailureActionContinue, swarm.UpdateFailureActionRollback}
	u := &swarm.UpdateConfig{
		Parallelism: uint64(w.rng.IntN(4)), Delay: w.upTo(3 * time.Second), Monitor: w.upTo(6 * time.Second),
		FailureAction: actions[w.rng.IntN(3)], MaxFailureRatio: float32(w.rng.IntN(3)) / 4, Order: swarm.UpdateOrderStopFirst,
	}
	if w.chance(300) {
		u.Order = swarm.UpdateOrderStartFirst
	}
	return u
}

func describe(s *swarm.ServiceSpec) string {
	mode := "global"
	if job := s.Mode.ReplicatedJob; job != nil {
		mode = fmt.Sprintf("a job of %d, %d at once,", *job.TotalCompletions, *job.MaxConcurrent)
	}
	if s.Mode.GlobalJob != nil {
		mode = "a global job"
	}
	if s.Mode.Replicated != nil {
		mode = fmt.Sprintf("%d times", *s.Mode.Replicated.Replicas)
	}
	return fmt.Sprintf("%s %s force %d", mode, s.TaskTemplate.ContainerSpec.Image, s.TaskTemplate.ForceUpdate)
}
