package scheduler

import (
	"slices"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/manager/constraint"
	"github.com/skep-org/skep/internal/model"
)

// node is one node as the filters see it.
type node struct {
	id      model.ID
	present bool // its rows exist
	capacity
	attrs constraint.Node

	tasks    int
	used     resources
	ports    map[hostPort]int
	held     map[named]int // values of generic resources that tasks have
	active   int
	services []serviceCount // of the active tasks, by id
}

// serviceCount says how many active tasks of a service a node has.
type serviceCount struct {
	id model.ID
	n  int
}

// capacity is what a node's rows say it offers.
type capacity struct {
	ready       bool
	resources   resources
	names       map[string][]string // the values of the kinds of generic resources that have them, in the engine's order
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
	c.names = namesOf(&d.Resources)
	for kind, values := range c.names {
		c.resources.generic[kind] = int64(len(values)) // each value once, and no count beside them
	}
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

// take counts one task in or out, with the generic resources that were assigned to it.
func (n *node) take(c counted, assigned []swarm.GenericResource, by int) {
	n.tasks += by
	n.used.nanoCPUs += int64(by) * c.demand.resources.nanoCPUs
	n.used.memory += int64(by) * c.demand.resources.memory
	for kind, amount := range c.demand.resources.generic {
		addTo(&n.used.generic, kind, int64(by)*amount)
	}
	for _, p := range c.demand.ports {
		addTo(&n.ports, p, by)
	}
	for _, g := range assigned {
		if g.NamedResourceSpec != nil {
			addTo(&n.held, named(*g.NamedResourceSpec), by)
		}
	}
	if c.active {
		n.active += by
		n.addService(c.demand.service, by)
	}
}

// ofService counts a service's active tasks.
func (n *node) ofService(id model.ID) int {
	if i, found := n.findService(id); found {
		return n.services[i].n
	}
	return 0
}

func (n *node) addService(id model.ID, by int) {
	i, found := n.findService(id)
	if !found {
		n.services = slices.Insert(n.services, i, serviceCount{id: id})
	}
	if n.services[i].n += by; n.services[i].n == 0 {
		n.services = slices.Delete(n.services, i, i+1)
	}
}

func (n *node) findService(id model.ID) (int, bool) {
	return slices.BinarySearchFunc(n.services, id, func(s serviceCount, id model.ID) int { return s.id.Compare(id) })
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
