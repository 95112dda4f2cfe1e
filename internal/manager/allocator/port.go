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

// publishing is the ports of one service while they are given.
type publishing struct {
	*plan
	svc   *model.Service
	a     *model.Allocation
	asked map[port]bool // the numbers its revisions ask for
	had   []swarm.PortConfig
}

// publish gives the service the ports of its revisions. Those on its tasks' own nodes are the engines' to choose.
func (p *plan) publish(svc *model.Service, a *model.Allocation, revs []*model.ServiceRevision) (err error) {
	w := publishing{plan: p, svc: svc, a: a, asked: map[port]bool{}}
	if old := p.get(svc.ID); old != nil {
		w.had = old.Ports
	}
	for _, rev := range revs {
		for _, c := range store.MeshPorts(rev.Spec.Get()) {
			w.asked[portOf(c)] = w.asked[portOf(c)] || c.PublishedPort != 0
		}
	}
	for i, rev := range revs {
		err = first(err, w.revision(rev, i == 0))
	}
	return err
}

// revision gives the ports of one revision. Two that it leaves open are two; of two revisions that leave the same open
// they are one. Those on the tasks' nodes are shown of the active one alone.
func (w *publishing) revision(rev *model.ServiceRevision, active bool) (err error) {
	e := rev.Spec.Get().EndpointSpec
	if e == nil {
		return nil
	}
	used := map[port]bool{}
	for _, c := range e.Ports {
		if !inMesh(c) {
			if active {
				w.a.Ports = append(w.a.Ports, c)
			}
			continue
		}
		c, refused := w.number(c, used, active)
		if refused != nil {
			err = first(err, refused)
			continue
		}
		if c.PublishedPort == 0 {
			continue
		}
		used[portOf(c)] = true
		if !slices.ContainsFunc(w.a.Ports, func(o swarm.PortConfig) bool { return inMesh(o) && portOf(o) == portOf(c) }) {
			w.a.Ports = append(w.a.Ports, c)
		}
	}
	return err
}

// number finds the number of one port in the mesh: the one asked for, the one it had, or a free one. A revision that is
// not the active one is on its way out: it has what it had, else the number is left zero.
func (w *publishing) number(c swarm.PortConfig, used map[port]bool, active bool) (swarm.PortConfig, error) {
	if c.PublishedPort != 0 && !active {
		if !slices.Contains(w.ports()[portOf(c)], w.svc.ID) || w.portHolder(w.svc, portOf(c)) != nil {
			c.PublishedPort = 0
		}
		return c, nil
	}
	if c.PublishedPort != 0 {
		if other := w.portHolder(w.svc, portOf(c)); other != nil {
			return c, fmt.Errorf("port %d (%s) is published by service %s already; publish another one", c.PublishedPort, portOf(c).protocol, other.Name)
		}
		return c, nil
	}
	for _, h := range slices.Concat(w.had, w.a.Ports) {
		key := portOf(h)
		if inMesh(h) && h.TargetPort == c.TargetPort && key.protocol == portOf(c).protocol && !used[key] && !w.asked[key] && w.portHolder(w.svc, key) == nil {
			c.PublishedPort = h.PublishedPort
			return c, nil
		}
	}
	if !active {
		return c, nil
	}
	return w.free(c)
}

// free chooses the lowest number that nobody has or asks for. Unlike an address it may be what another service had just
// now: it is this cluster's nodes that answer on it, and they are told.
func (w *publishing) free(c swarm.PortConfig) (swarm.PortConfig, error) {
	asked, held := w.portsAsked(), w.ports()
	for n := uint32(firstPort); n <= lastPort; n++ {
		c.PublishedPort = n
		key := portOf(c)
		given := slices.ContainsFunc(w.a.Ports, func(o swarm.PortConfig) bool { return inMesh(o) && portOf(o) == key })
		if !asked[key] && !w.asked[key] && !given && len(held[key]) == 0 {
			w.chosen = w.svc.ID
			return c, nil
		}
	}
	c.PublishedPort = 0
	return c, fmt.Errorf("no port from %d to %d (%s) is free for port %d; publish it as a number of your own choice",
		firstPort, lastPort, portOf(c).protocol, c.TargetPort)
}

// portsAsked are the numbers that services ask for, those that wait too, on nodes or in the mesh.
func (p *plan) portsAsked() map[port]bool {
	if p.wanted != nil {
		return p.wanted
	}
	p.wanted = map[port]bool{}
	for s := range store.Services.All(p.v) {
		for _, id := range []model.ID{s.Revision, store.ActiveRevision(p.v, s)} {
			rev := store.Revisions.ByID(p.v, id)
			if rev == nil || rev.Spec.Get().EndpointSpec == nil {
				continue
			}
			for _, c := range rev.Spec.Get().EndpointSpec.Ports {
				if c.PublishedPort != 0 {
					p.wanted[portOf(c)] = true
				}
			}
		}
	}
	return p.wanted
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
