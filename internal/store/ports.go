package store

import (
	"fmt"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
)

// PortHolder is the service that has a published port another one asks for.
type PortHolder struct {
	Service *model.Service
	Port    uint32
	Host    bool // it publishes the port on its tasks' own nodes, which leaves no node for the routing mesh
}

// FindPortHolder finds the first of ports that a service cannot publish because another one does, as asked for or as the
// allocator chose; nil: all are free. service is who asks: its own ports are not in its way. Two services that both
// publish a port on their tasks' own nodes get along: the scheduler keeps their tasks apart. Of several in the way it is the
// oldest: what is said of them does not hang on ids.
func FindPortHolder(v View, service model.ID, ports []swarm.PortConfig) (oldest *PortHolder) {
	wanted := map[portKey]bool{} // whether through the routing mesh
	for _, p := range ports {
		if p.PublishedPort != 0 {
			key := keyOfPort(p)
			wanted[key] = wanted[key] || !onHost(p)
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	for s := range Services.All(v) {
		if s.ID == service || oldest != nil && oldest.Service.Created < s.Created {
			continue
		}
		if held := portHeld(v, s, wanted); held != nil {
			oldest = held
		}
	}
	return oldest
}

// portHeld is the first that a service holds of the ports that are wanted, which says of each whether through the routing mesh.
func portHeld(v View, s *model.Service, wanted map[portKey]bool) *PortHolder {
	for _, held := range heldPorts(v, s) {
		for _, p := range held {
			mesh, asked := wanted[keyOfPort(p)]
			if asked && p.PublishedPort != 0 && (mesh || !onHost(p)) {
				return &PortHolder{Service: s, Port: p.PublishedPort, Host: onHost(p)}
			}
		}
	}
	return nil
}

// heldPorts are the ports a service asks for, and those the allocator gave it.
func heldPorts(v View, s *model.Service) (held [2][]swarm.PortConfig) {
	if rev := Revisions.ByID(v, ActiveRevision(v, s)); rev != nil {
		held[0] = portsOf(rev.Spec.Get())
	}
	if a := Allocations.ByID(v, s.ID); a != nil {
		held[1] = a.Ports
	}
	return held
}

// ActiveRevision is the revision that a service's Spec shows: the one its rollout makes tasks of, once that has taken up
// what was last asked.
func ActiveRevision(v View, s *model.Service) model.ID {
	if r := Rollouts.ByID(v, s.ID); r != nil && r.Asked == s.Revision && r.AskedIndex >= s.Index {
		return r.Active
	}
	return s.Revision
}

func portsOf(spec *swarm.ServiceSpec) []swarm.PortConfig {
	if spec.EndpointSpec == nil {
		return nil
	}
	return spec.EndpointSpec.Ports
}

type portKey struct {
	protocol network.IPProtocol
	port     uint32
}

func keyOfPort(p swarm.PortConfig) portKey {
	if p.Protocol == "" {
		p.Protocol = network.TCP
	}
	return portKey{p.Protocol, p.PublishedPort}
}

func onHost(p swarm.PortConfig) bool { return p.PublishMode == swarm.PortConfigPublishModeHost }

// MeshPorts are those of a spec's ports that are published through the routing mesh.
func MeshPorts(spec *swarm.ServiceSpec) []swarm.PortConfig {
	var out []swarm.PortConfig
	for _, p := range portsOf(spec) {
		if !onHost(p) {
			out = append(out, p)
		}
	}
	return out
}

// IngressNetwork returns the network of the routing mesh, or nil.
func IngressNetwork(v View) *model.Network { return ingressNetwork.First(v, &model.Network{}) }

// portsFree judges a condition of [Table.PortsFree].
func portsFree(v View, b *Batch, c Condition) error {
	var ports []swarm.PortConfig
	switch c.Table {
	case Services.id:
		if rev := revisionOf(v, b, c.Key); rev != nil {
			ports = portsOf(rev.Spec.Get())
		}
	case Allocations.id:
		if a, ok := written[model.Allocation](b, c.Table, c.Key); ok {
			ports = a.Ports
		}
	}
	if held := FindPortHolder(v, c.Key.A, ports); held != nil {
		return fmt.Errorf("port %d is published by service %s: %w", held.Port, held.Service.Name, ErrInUse)
	}
	return nil
}

// revisionOf is the revision of the service row that a batch writes, which may come with it.
func revisionOf(v View, b *Batch, service model.Key) *model.ServiceRevision {
	s, ok := written[model.Service](b, Services.id, service)
	if !ok {
		return nil
	}
	if rev, ok := written[model.ServiceRevision](b, Revisions.id, model.KeyOf(s.Revision)); ok {
		return rev
	}
	return Revisions.ByID(v, s.Revision)
}

// written is the row that a batch writes at a key.
func written[R any](b *Batch, table TableID, key model.Key) (*R, bool) {
	for _, c := range b.Changes {
		if c.Table == table && c.Key == key && c.Row != nil {
			row, ok := any(c.Row).(*R)
			return row, ok
		}
	}
	return nil, false
}
