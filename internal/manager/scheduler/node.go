package scheduler

import (
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/manager/constraint"
	"github.com/skep-org/skep/internal/model"
)

// node is one node as the filters see it.
type node struct {
	id      model.ID
	present bool // its rows exist
	buckets int
	capacity
	attrs constraint.Node

	used      resources
	ports     map[hostPort]int
	active    int
	byService map[model.ID]int // active tasks
}

// capacity is what a node's rows say it offers.
type capacity struct {
	ready       bool
	resources   resources
	plugins     map[plugin]bool
	pluginTypes map[string]bool // types the agent listed at all
}

// resources are amounts that tasks reserve.
type resources struct {
	nanoCPUs, memory int64
	generic          map[string]int64
}

type plugin struct{ kind, name string }

type hostPort struct {
	protocol network.IPProtocol
	port     uint32
}

func capacityOf(spec *model.NodeSpec, state *model.NodeState) capacity {
	var c capacity
	if state == nil {
		return c
	}
	availability := spec.Spec.Get().Availability
	c.ready = state.State == model.ReachReady && (availability == swarm.NodeAvailabilityActive || availability == "")
	d := state.Description.Get()
	c.resources = resourcesOf(&d.Resources)
	c.plugins, c.pluginTypes = map[plugin]bool{}, map[string]bool{}
	for _, p := range d.Engine.Plugins {
		c.plugins[plugin{p.Type, untagged(p.Name)}] = true
		c.pluginTypes[p.Type] = true
	}
	return c
}

// resourcesOf adds up what is offered or asked for; a named resource counts as one of its kind.
func resourcesOf(r *swarm.Resources) resources {
	if r == nil {
		return resources{}
	}
	out := resources{nanoCPUs: r.NanoCPUs, memory: r.MemoryBytes}
	for _, g := range r.GenericResources {
		if out.generic == nil {
			out.generic = map[string]int64{}
		}
		if g.NamedResourceSpec != nil {
			out.generic[g.NamedResourceSpec.Kind]++
		}
		if g.DiscreteResourceSpec != nil {
			out.generic[g.DiscreteResourceSpec.Kind] += g.DiscreteResourceSpec.Value
		}
	}
	return out
}

// take counts one task of the bucket in or out.
func (n *node) take(b *bucket, by int) {
	d := b.demand
	n.used.nanoCPUs += int64(by) * d.resources.nanoCPUs
	n.used.memory += int64(by) * d.resources.memory
	for kind, amount := range d.resources.generic {
		addTo(&n.used.generic, kind, int64(by)*amount)
	}
	for _, p := range d.ports {
		addTo(&n.ports, p, by)
	}
	if b.key.active {
		n.active += by
		addTo(&n.byService, d.service, by)
	}
}

// addTo leaves no zero behind.
func addTo[K comparable, N int | int64](m *map[K]N, k K, by N) {
	if *m == nil {
		*m = map[K]N{}
	}
	if (*m)[k] += by; (*m)[k] == 0 {
		delete(*m, k)
	}
}
