package allocator

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// Ports that are left open are chosen from this range, as swarm does.
const firstPort, lastPort = 30000, 32767

// port is one port number of one protocol.
type port struct {
	protocol network.IPProtocol
	number   uint32
}

func portOf(p swarm.PortConfig) port {
	return port{cmp.Or(p.Protocol, network.TCP), p.PublishedPort}
}

func inMesh(p swarm.PortConfig) bool { return p.PublishMode != swarm.PortConfigPublishModeHost }

// ports maps the ports of the routing mesh to the services that have them: one, but for a state that something else
// wrote.
type ports map[port][]model.ID

// change takes what an owner has in the place of what it had; either may be nil.
func (h ports) change(old, cur *model.Allocation) {
	for _, a := range []*model.Allocation{old, cur} {
		if a == nil {
			continue
		}
		for _, p := range a.Ports {
			if !inMesh(p) {
				continue
			}
			key := portOf(p)
			h[key] = slices.DeleteFunc(h[key], func(id model.ID) bool { return id == a.Owner })
			if a == cur {
				h[key] = append(h[key], a.Owner)
			}
		}
	}
}

// ports are read once, when a plan first needs them.
func (p *plan) ports() ports {
	if p.held == nil {
		p.held = ports{}
		for svc := range store.Services.All(p.v) {
			p.held.change(nil, p.get(svc.ID))
		}
	}
	return p.held
}

// publish gives the service the ports of its revisions. Those on its tasks' own nodes are the engines' to choose.
func (p *plan) publish(svc *model.Service, a *model.Allocation, revs []*model.ServiceRevision) (err error) {
	for i, rev := range revs {
		e := rev.Spec.Get().EndpointSpec
		if e == nil {
			continue
		}
		// What this revision has used of what there is: two ports left open are two ports.
		matched := map[port]bool{}
		for _, c := range e.Ports {
			if inMesh(c) && c.PublishedPort != 0 {
				matched[portOf(c)] = true
			}
		}
		for _, c := range e.Ports {
			if !inMesh(c) {
				if i == 0 {
					a.Ports = append(a.Ports, c)
				}
				continue
			}
			c, refused := p.port(svc, a, c, matched)
			if refused != nil {
				if i == 0 {
					err = first(err, refused)
				}
				continue
			}
			matched[portOf(c)] = true
			if !slices.ContainsFunc(a.Ports, func(o swarm.PortConfig) bool { return inMesh(o) && portOf(o) == portOf(c) }) {
				a.Ports = append(a.Ports, c)
			}
		}
	}
	return err
}

// port finds the number of one port in the mesh: the one asked for, the one it had, or a free one.
func (p *plan) port(svc *model.Service, a *model.Allocation, c swarm.PortConfig, matched map[port]bool) (swarm.PortConfig, error) {
	if c.PublishedPort != 0 {
		if other := p.portHolder(svc, portOf(c)); other != nil {
			return c, fmt.Errorf("port %d (%s) is published by service %s already; publish another one", c.PublishedPort, portOf(c).protocol, other.Name)
		}
		return c, nil
	}
	had := slices.Clone(a.Ports)
	if old := p.get(svc.ID); old != nil {
		had = append(had, old.Ports...)
	}
	for _, h := range had {
		if inMesh(h) && h.TargetPort == c.TargetPort && portOf(h).protocol == portOf(c).protocol && !matched[portOf(h)] && p.portHolder(svc, portOf(h)) == nil {
			c.PublishedPort = h.PublishedPort
			return c, nil
		}
	}
	return p.freePort(svc, a, c)
}

// freePort chooses the lowest number that nobody has or asks for. Unlike an address it may be what another service had
// just now: it is this cluster's nodes that answer on it, and they are told.
func (p *plan) freePort(svc *model.Service, a *model.Allocation, c swarm.PortConfig) (swarm.PortConfig, error) {
	asked, held := p.portsAsked(), p.ports()
	given := func(o swarm.PortConfig) bool { return inMesh(o) && portOf(o) == portOf(c) }
	for n := uint32(firstPort); n <= lastPort; n++ {
		c.PublishedPort = n
		if key := portOf(c); asked[key] || len(held[key]) > 0 || slices.ContainsFunc(a.Ports, given) {
			continue
		}
		p.chosen = svc.ID
		return c, nil
	}
	c.PublishedPort = 0
	return c, fmt.Errorf("no port from %d to %d (%s) is free for port %d; publish it as a number of your own choice",
		firstPort, lastPort, portOf(c).protocol, c.TargetPort)
}

// portsAsked are the numbers that services ask for, those that wait too, on nodes or in the mesh.
func (p *plan) portsAsked() map[port]bool {
	if p.asked != nil {
		return p.asked
	}
	p.asked = map[port]bool{}
	for s := range store.Services.All(p.v) {
		for _, id := range []model.ID{s.Revision, store.ActiveRevision(p.v, s)} {
			rev := store.Revisions.ByID(p.v, id)
			if rev == nil || rev.Spec.Get().EndpointSpec == nil {
				continue
			}
			for _, c := range rev.Spec.Get().EndpointSpec.Ports {
				if c.PublishedPort != 0 {
					p.asked[portOf(c)] = true
				}
			}
		}
	}
	return p.asked
}

// guard has the row of a service refused when somebody asks for the port just chosen before the row is written. It does
// not where another service waits for one of its ports: that one would keep it from being written for good.
func (p *plan) guard(a *model.Allocation) {
	if p.chosen == a.Owner && store.FindPortHolder(p.v, a.Owner, a.Ports) == nil {
		p.res.Conditions = append(p.res.Conditions, store.Allocations.PortsFree(a.Key()))
	}
}

// portHolder is the service that keeps svc from a port; of two that have it already, the younger has to give way.
func (p *plan) portHolder(svc *model.Service, key port) *model.Service {
	holders := p.ports()[key]
	has := slices.Contains(holders, svc.ID)
	for _, id := range holders {
		other := store.Services.ByID(p.v, id)
		if id == svc.ID || other == nil {
			continue
		}
		if !has || older(&other.Meta, &svc.Meta, other.ID, svc.ID) < 0 {
			return other
		}
	}
	return nil
}
