package plan

import (
	"cmp"
	"encoding/json"
	"reflect"
	"slices"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"

	"github.com/skep-org/skep/internal/model"
)

// Same reports whether two specs ask for the same, the second being the cluster's: that has ids of networks, and swarm's own
// values where nothing was asked for.
func Same(asked, there swarm.ServiceSpec, networks map[string]string) bool {
	return model.ModeName(asked.Mode) == model.ModeName(there.Mode) && reflect.DeepEqual(plain(filled(asked, networks)), plain(filled(there, networks)))
}

// plain is a spec as nested values, without what is empty: no list and an empty one are the same, and so on.
func plain(spec swarm.ServiceSpec) any {
	raw, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	var out any
	if err := json.Unmarshal(raw, &out); err != nil {
		return err
	}
	return pruned(out)
}

func pruned(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, below := range v {
			if below = pruned(below); below == nil {
				delete(v, k)
			} else {
				v[k] = below
			}
		}
		if len(v) == 0 {
			return nil
		}
	case []any:
		for i := range v {
			v[i] = pruned(v[i])
		}
		if len(v) == 0 {
			return nil
		}
	case string:
		if v == "" {
			return nil
		}
	}
	return v
}

// filled is a copy with swarm's own values where there are none.
func filled(spec swarm.ServiceSpec, networks map[string]string) swarm.ServiceSpec {
	t := &spec.TaskTemplate
	t.Runtime = cmp.Or(t.Runtime, swarm.RuntimeContainer)
	t.Networks = named(t.Networks, networks)
	if t.ContainerSpec != nil {
		c := *t.ContainerSpec
		c.Isolation = cmp.Or(c.Isolation, container.IsolationDefault)
		c.StopGracePeriod = orDefault(c.StopGracePeriod, 10*time.Second)
		c.Mounts = append(c.Mounts[:0:0], c.Mounts...)
		for i := range c.Mounts {
			c.Mounts[i].Consistency = "" // swarm forgets it
		}
		t.ContainerSpec = &c
	}
	t.RestartPolicy = filledRestart(t.RestartPolicy)
	spec.Mode = filledMode(spec.Mode)
	spec.UpdateConfig, spec.RollbackConfig = filledUpdate(spec.UpdateConfig), filledUpdate(spec.RollbackConfig)
	spec.EndpointSpec = filledEndpoint(spec.EndpointSpec)
	return spec
}

func named(attached []swarm.NetworkAttachmentConfig, names map[string]string) []swarm.NetworkAttachmentConfig {
	out := slices.Clone(attached)
	for i := range out {
		out[i].Target = cmp.Or(names[out[i].Target], out[i].Target)
	}
	return out
}

func filledMode(m swarm.ServiceMode) swarm.ServiceMode {
	if m == (swarm.ServiceMode{}) {
		m.Replicated = &swarm.ReplicatedService{}
	}
	if m.Replicated != nil {
		m.Replicated = &swarm.ReplicatedService{Replicas: orDefault(m.Replicated.Replicas, 1)}
	}
	if j := m.ReplicatedJob; j != nil {
		concurrent, total := model.JobSize(j)
		m.ReplicatedJob = &swarm.ReplicatedJob{MaxConcurrent: &concurrent, TotalCompletions: &total}
	}
	return m
}

func filledRestart(p *swarm.RestartPolicy) *swarm.RestartPolicy {
	out := swarm.RestartPolicy{}
	if p != nil {
		out = *p
	}
	out.Condition = cmp.Or(out.Condition, swarm.RestartPolicyConditionAny)
	out.Delay = orDefault(out.Delay, 5*time.Second)
	out.MaxAttempts = orDefault(out.MaxAttempts, 0)
	out.Window = orDefault(out.Window, 0)
	return &out
}

func filledUpdate(u *swarm.UpdateConfig) *swarm.UpdateConfig {
	out := swarm.UpdateConfig{Parallelism: 1}
	if u != nil {
		out = *u
	}
	out.FailureAction = cmp.Or(out.FailureAction, swarm.UpdateFailureActionPause)
	out.Monitor = cmp.Or(out.Monitor, 5*time.Second)
	out.Order = cmp.Or(out.Order, swarm.UpdateOrderStopFirst)
	return &out
}

func filledEndpoint(e *swarm.EndpointSpec) *swarm.EndpointSpec {
	out := swarm.EndpointSpec{}
	if e != nil {
		out = *e
	}
	out.Mode = cmp.Or(out.Mode, swarm.ResolutionModeVIP)
	out.Ports = append(out.Ports[:0:0], out.Ports...)
	for i := range out.Ports {
		out.Ports[i].Protocol = cmp.Or(out.Ports[i].Protocol, network.TCP)
		out.Ports[i].PublishMode = cmp.Or(out.Ports[i].PublishMode, swarm.PortConfigPublishModeIngress)
	}
	return &out
}

func orDefault[T any](v *T, value T) *T {
	if v != nil {
		return v
	}
	return &value
}
