package model

import (
	"cmp"
	"slices"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"
)

// Filled is a spec with swarm's own words where it has none: as the API keeps it. What the spec refers to is left as it is.
func Filled(spec swarm.ServiceSpec) swarm.ServiceSpec {
	t := &spec.TaskTemplate
	t.Runtime = cmp.Or(t.Runtime, swarm.RuntimeContainer)
	t.ContainerSpec = filledContainer(t.ContainerSpec)
	if p := t.RestartPolicy; p != nil {
		filled := *p
		filled.Condition = cmp.Or(filled.Condition, swarm.RestartPolicyConditionAny)
		filled.MaxAttempts = cmp.Or(filled.MaxAttempts, new(uint64(0)))
		t.RestartPolicy = &filled
	}
	spec.Mode = filledMode(spec.Mode)
	spec.UpdateConfig, spec.RollbackConfig = filledUpdate(spec.UpdateConfig), filledUpdate(spec.RollbackConfig)
	spec.EndpointSpec = filledEndpoint(spec.EndpointSpec)
	return spec
}

func filledContainer(c *swarm.ContainerSpec) *swarm.ContainerSpec {
	if c == nil {
		return nil
	}
	filled := *c
	filled.Isolation = cmp.Or(filled.Isolation, container.IsolationDefault)
	filled.Mounts = slices.Clone(c.Mounts)
	for i := range filled.Mounts {
		m := &filled.Mounts[i]
		m.Type = cmp.Or(m.Type, mount.TypeBind)
		m.Consistency = "" // it is for Docker's desktops: swarm forgets it
	}
	return &filled
}

func filledMode(m swarm.ServiceMode) swarm.ServiceMode {
	if m == (swarm.ServiceMode{}) {
		m.Replicated = &swarm.ReplicatedService{}
	}
	if m.Replicated != nil {
		m.Replicated = &swarm.ReplicatedService{Replicas: cmp.Or(m.Replicated.Replicas, new(uint64(1)))}
	}
	if m.ReplicatedJob != nil {
		concurrent, total := JobSize(m.ReplicatedJob)
		m.ReplicatedJob = &swarm.ReplicatedJob{MaxConcurrent: &concurrent, TotalCompletions: &total}
	}
	return m
}

func filledUpdate(u *swarm.UpdateConfig) *swarm.UpdateConfig {
	if u == nil {
		return nil
	}
	filled := *u
	filled.FailureAction = cmp.Or(filled.FailureAction, swarm.UpdateFailureActionPause)
	filled.Order = cmp.Or(filled.Order, swarm.UpdateOrderStopFirst)
	return &filled
}

func filledEndpoint(e *swarm.EndpointSpec) *swarm.EndpointSpec {
	if e == nil {
		return nil
	}
	filled := *e
	filled.Mode = cmp.Or(filled.Mode, swarm.ResolutionModeVIP)
	filled.Ports = slices.Clone(e.Ports)
	for i := range filled.Ports {
		p := &filled.Ports[i]
		p.Protocol = cmp.Or(p.Protocol, network.TCP)
		p.PublishMode = cmp.Or(p.PublishMode, swarm.PortConfigPublishModeIngress)
	}
	return &filled
}

// Meant is a spec with what swarm does where nothing is asked for, as an inspect with insertDefaults shows it.
func Meant(spec swarm.ServiceSpec) swarm.ServiceSpec {
	t := &spec.TaskTemplate
	if t.ContainerSpec != nil {
		c := *t.ContainerSpec
		c.StopGracePeriod = cmp.Or(c.StopGracePeriod, new(10*time.Second))
		c.DNSConfig = cmp.Or(c.DNSConfig, &swarm.DNSConfig{})
		t.ContainerSpec = &c
	}
	t.Resources = cmp.Or(t.Resources, &swarm.ResourceRequirements{})
	t.Placement = cmp.Or(t.Placement, &swarm.Placement{})
	restart := *cmp.Or(t.RestartPolicy, &swarm.RestartPolicy{})
	restart.Condition = cmp.Or(restart.Condition, swarm.RestartPolicyConditionAny)
	restart.Delay = cmp.Or(restart.Delay, new(5*time.Second))
	restart.MaxAttempts = cmp.Or(restart.MaxAttempts, new(uint64(0)))
	t.RestartPolicy = &restart
	spec.UpdateConfig, spec.RollbackConfig = meantUpdate(spec.UpdateConfig), meantUpdate(spec.RollbackConfig)
	return spec
}

func meantUpdate(u *swarm.UpdateConfig) *swarm.UpdateConfig {
	u = filledUpdate(cmp.Or(u, &swarm.UpdateConfig{Parallelism: 1}))
	u.Monitor = cmp.Or(u.Monitor, 5*time.Second)
	return u
}
