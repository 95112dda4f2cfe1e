package dispatcher

import (
	"cmp"
	"slices"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
	"google.golang.org/protobuf/proto"
)

// service is what is kept of one service.
type service struct {
	live map[model.ID]map[model.ID]int // network → revision → places
	on   map[model.ID]bool             // the networks it is told of on
}

// live counts the places of a service by network and revision.
func (f *fabric) live(p *place, network model.ID, by int) {
	s := f.service(p.service)
	if s.live[network] == nil {
		s.live[network] = map[model.ID]int{}
	}
	before := s.live[network][p.revision]
	s.live[network][p.revision] = before + by
	if before+by == 0 {
		delete(s.live[network], p.revision)
	}
	if len(s.live[network]) == 0 {
		delete(s.live, network)
	}
	if before == 0 || before+by == 0 {
		f.stale.services[p.service] = true
	}
}

func (f *fabric) service(id model.ID) *service {
	s := f.services[id]
	if s == nil {
		s = &service{live: map[model.ID]map[model.ID]int{}, on: map[model.ID]bool{}}
		f.services[id] = s
	}
	return s
}

// updateService computes what is told of a service on each of its networks.
func (m *Machine) updateService(id model.ID) {
	f := &m.fabric
	s := f.service(id)
	next := m.serviceRows(id, s)
	for n := range s.on {
		if next[n] == nil {
			o := f.overlay(n)
			delete(o.services, id)
			o.reServices[id] = true
			delete(s.on, n)
			f.touch(o)
		}
	}
	for n, row := range next {
		o := f.overlay(n)
		if old := o.services[id]; old != nil && proto.Equal(old, row) {
			continue
		}
		o.services[id], o.reServices[id], s.on[n] = row, true, true
		f.touch(o)
	}
	if len(s.on) == 0 && len(s.live) == 0 {
		delete(f.services, id)
	}
}

// serviceRows are a service on its networks: those of the revision its new tasks are made of, those that it has an
// address on or a task of whatever revision, and the ingress network where it publishes ports.
func (m *Machine) serviceRows(id model.ID, s *service) map[model.ID]*wire.FabricService {
	svc := store.Services.ByID(m.view, id)
	if svc == nil {
		return nil
	}
	rows := map[model.ID]*wire.FabricService{}
	row := func(network model.ID) *wire.FabricService {
		if rows[network] == nil {
			rows[network] = &wire.FabricService{Id: wire.Bytes(id), Name: svc.Name}
		}
		return rows[network]
	}
	active := m.active(svc)
	m.eachNetwork(active, func(network model.ID, a *swarm.NetworkAttachmentConfig) {
		r := row(network)
		r.Aliases = append(r.Aliases, a.Aliases...)
	})
	for network, revisions := range s.live {
		r := row(network)
		for rev := range revisions {
			if rev != active {
				m.eachNetwork(rev, func(n model.ID, a *swarm.NetworkAttachmentConfig) {
					if n == network {
						r.Aliases = append(r.Aliases, a.Aliases...)
					}
				})
			}
		}
	}
	if a := store.Allocations.ByID(m.view, id); a != nil {
		for _, n := range a.Networks {
			row(n.NetworkID).Vip = binaryOf(n.Addr.Addr())
		}
		if ports := ingressPorts(a); len(ports) > 0 {
			for n := range m.fabric.ingress {
				row(n).Ports = ports
			}
		}
	}
	for _, r := range rows {
		slices.Sort(r.Aliases)
		r.Aliases = slices.Compact(r.Aliases)
	}
	return rows
}

// active is the revision that a service's new tasks are made of.
func (m *Machine) active(svc *model.Service) model.ID {
	if r := store.Rollouts.ByID(m.view, svc.ID); r != nil && !r.Active.IsZero() {
		return r.Active
	}
	return svc.Revision
}

// eachNetwork calls f for the cluster's networks that a revision's tasks join.
func (m *Machine) eachNetwork(revision model.ID, f func(model.ID, *swarm.NetworkAttachmentConfig)) {
	rev := store.Revisions.ByID(m.view, revision)
	if rev == nil {
		return
	}
	networks := rev.Spec.Get().TaskTemplate.Networks
	for i := range networks {
		row := network(m.view, networks[i].Target)
		if row == nil {
			continue
		}
		if o := m.fabric.overlays[row.ID]; o != nil && o.desc != nil {
			f(row.ID, &networks[i])
		}
	}
}

// ingressPorts are the ports that are published on every node.
func ingressPorts(a *model.Allocation) []*wire.Port {
	var ports []*wire.Port
	for _, p := range a.Ports {
		if p.PublishMode != swarm.PortConfigPublishModeHost && p.PublishedPort != 0 {
			ports = append(ports, &wire.Port{Protocol: cmp.Or(string(p.Protocol), "tcp"), Published: p.PublishedPort, Target: p.TargetPort})
		}
	}
	return ports
}
