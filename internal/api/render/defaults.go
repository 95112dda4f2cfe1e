package render

import (
	"time"

	"github.com/moby/moby/api/types/swarm"
)

// InsertDefaults fills in what a spec leaves to swarm, for inspect with insertDefaults.
func InsertDefaults(spec *swarm.ServiceSpec) {
	if c := spec.TaskTemplate.ContainerSpec; c != nil {
		filled := *c
		if filled.StopGracePeriod == nil {
			filled.StopGracePeriod = ptr(10 * time.Second)
		}
		if filled.DNSConfig == nil {
			filled.DNSConfig = &swarm.DNSConfig{}
		}
		spec.TaskTemplate.ContainerSpec = &filled
	}
	if spec.TaskTemplate.Resources == nil {
		spec.TaskTemplate.Resources = &swarm.ResourceRequirements{}
	}
	spec.TaskTemplate.RestartPolicy = restartDefaults(spec.TaskTemplate.RestartPolicy)
	if spec.TaskTemplate.Placement == nil {
		spec.TaskTemplate.Placement = &swarm.Placement{}
	}
	spec.UpdateConfig = updateDefaults(spec.UpdateConfig)
	spec.RollbackConfig = updateDefaults(spec.RollbackConfig)
}

func restartDefaults(p *swarm.RestartPolicy) *swarm.RestartPolicy {
	out := swarm.RestartPolicy{}
	if p != nil {
		out = *p
	}
	if out.Condition == "" {
		out.Condition = swarm.RestartPolicyConditionAny
	}
	if out.Delay == nil {
		out.Delay = ptr(5 * time.Second)
	}
	if out.MaxAttempts == nil {
		out.MaxAttempts = ptr(uint64(0))
	}
	return &out
}

func updateDefaults(u *swarm.UpdateConfig) *swarm.UpdateConfig {
	if u == nil {
		return &swarm.UpdateConfig{Parallelism: 1, FailureAction: swarm.UpdateFailureActionPause, Monitor: 5 * time.Second,
			Order: swarm.UpdateOrderStopFirst}
	}
	out := *u
	if out.FailureAction == "" {
		out.FailureAction = swarm.UpdateFailureActionPause
	}
	if out.Monitor == 0 {
		out.Monitor = 5 * time.Second
	}
	if out.Order == "" {
		out.Order = swarm.UpdateOrderStopFirst
	}
	return &out
}

func ptr[T any](v T) *T { return &v }
