package scheduler

import (
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/manager/constraint"
	"github.com/skep-org/skep/internal/manager/resources"
	"github.com/skep-org/skep/internal/model"
)

// node is one node as the filters see it.
type node struct {
	id      model.ID
	present bool // its rows exist
	capacity
	attrs constraint.Node

	tasks  int
	room   resources.Room
	ports  map[hostPort]int
	active int

	class *class // nil: its rows do not exist
	rank  int    // its place there
	dirty bool   // its summary there may be another
}

// capacity is what a node's rows say it offers.
type capacity struct {
	ready       bool
	offer       resources.Offer
	plugins     map[plugin]bool
	pluginTypes map[string]bool // types the agent listed at all
	csi         []swarm.NodeCSIInfo
	carries     carriage
}

type plugin struct{ kind, name string }

// carriage is whether a node carries encrypted networks, by its own word.
type carriage uint8

const (
	unsaid     carriage = iota // its build knows nothing of them, or its data plane has not begun
	carried                    // by its kernel or a process
	impossible                 // it has neither
)

func carriageOf(said model.NodeEncryption) carriage {
	switch {
	case said.Means != "":
		return carried
	case said.Refusal != "":
		return impossible
	}
	return unsaid
}

// refusal is the filter that refuses a node that does not carry them.
func (c carriage) refusal() filter {
	if c == impossible {
		return filterEncryption
	}
	return filterSilence
}

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
	c.offer, c.csi = resources.OfferOf(&d.Resources), d.CSIInfo
	c.plugins, c.pluginTypes = map[plugin]bool{}, map[string]bool{}
	for _, p := range d.Engine.Plugins {
		c.plugins[plugin{p.Type, untagged(p.Name)}] = true
		c.pluginTypes[p.Type] = true
	}
	c.carries = carriageOf(*state.Encryption.Get())
	return c
}

// set takes in what the node's rows say; what tasks have taken of it stays taken.
func (n *node) set(present bool, c capacity, attrs constraint.Node) {
	n.present, n.capacity, n.attrs, n.room.Offer = present, c, attrs, c.offer
}

// take counts one task in, with the generic resources that were assigned to it.
func (n *node) take(c counted, assigned []swarm.GenericResource) {
	n.room.Take(&c.demand.resources, assigned)
	n.add(c, +1)
}

// release counts a task out that was taken in.
func (n *node) release(c counted, assigned []swarm.GenericResource) {
	n.room.Return(&c.demand.resources, assigned)
	n.add(c, -1)
}

func (n *node) add(c counted, by int) {
	n.tasks += by
	for _, p := range c.demand.ports {
		n.addPort(p, by)
	}
	if c.active {
		n.active += by
		c.demand.present.add(n, by)
	}
}

// addPort leaves no zero behind.
func (n *node) addPort(p hostPort, by int) {
	if n.ports == nil {
		n.ports = map[hostPort]int{}
	}
	if n.ports[p] += by; n.ports[p] == 0 {
		delete(n.ports, p)
	}
}

// summary is what the order of its class has of the node: nothing while it takes no tasks at all.
func (n *node) summary() summary {
	if !n.ready {
		return nobody
	}
	have, used := &n.room.Offer.Amounts, &n.room.Used
	return summary{int32(n.active), n.free(), have.NanoCPUs - used.NanoCPUs, have.Memory - used.Memory}
}

// whole is all of a node.
const whole = 1_000_000

// free is the share of the node that nobody reserved, in millionths: of cores or of memory, whichever is scarcer.
func (n *node) free() int32 {
	have, used := &n.room.Offer.Amounts, &n.room.Used
	return min(share(used.NanoCPUs, have.NanoCPUs), share(used.Memory, have.Memory))
}

func share(used, have int64) int32 {
	switch {
	case used <= 0:
		return whole
	case used >= have:
		return 0
	}
	return int32(whole * (1 - float64(used)/float64(have)))
}
