package network

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/skep-org/skep/internal/model"
)

// host is what the host's own namespace is to hold.
func (d *Desired) host(before *Desired, meshed map[model.ID]changes, boxes []Sandbox) *Host {
	f := d.from.fabric
	h := &Host{Port: f.Port, Members: map[netip.Addr]struct{}{}, Sysctls: map[string]string{}}
	if before != nil {
		h.Members, h.Sixth = before.Host.Members, before.Host.Sixth
	} else {
		for _, n := range f.Nodes {
			if n.Underlay.IsValid() {
				h.Members[n.Underlay] = struct{}{}
				h.Sixth = h.Sixth || n.Underlay.Is6()
			}
		}
	}
	for id, s := range d.Segments {
		if s.Ingress {
			h.Ingress = d.ingress(before, f.Networks[id], s, meshed[id], hostPorts(boxes, id))
			h.Sysctls["net/ipv4/ip_forward"] = "1"
			h.Sysctls["net/ipv4/conf/all/send_redirects"] = "0"
		}
	}
	return h
}

// hostPorts are what containers on the ingress network publish on this node alone.
func hostPorts(boxes []Sandbox, ingress model.ID) map[PortKey][]netip.AddrPort {
	ports := map[PortKey][]netip.AddrPort{}
	for _, b := range boxes {
		for _, l := range b.Links {
			if l.Network != ingress || !l.Addr.IsValid() {
				continue
			}
			for _, p := range b.HostPorts {
				key := PortKey{p.Protocol, p.Published}
				ports[key] = append(ports[key], netip.AddrPortFrom(l.Addr.Addr(), p.Target))
			}
		}
	}
	return ports
}

// ingress is the routing mesh. since are its network's changes.
func (d *Desired) ingress(before *Desired, n *Network, s *Segment, since changes, own map[PortKey][]netip.AddrPort) *Ingress {
	in := &Ingress{Subnet: n.Subnet.Masked(), Own: s.VXLAN.Addr.Addr(), Accepted: true}
	_, ok := Mark(in.Subnet, in.Own)
	in.Unmarked = !ok
	in.own = own
	was := before.segmentOf(n.ID)
	if was == nil || before.Host.Ingress.Subnet != in.Subnet {
		in.Published = d.published(nil, nil, n, changesOf(nil, n), own)
		d.nodesOfMesh(in)
		in.Routes = d.routes(n, s, in)
		return in
	}
	old := before.Host.Ingress
	in.Published = d.published(old, was.network, n, since, own)
	in.Clients, in.Marks, in.Returns, in.Rules = old.Clients, old.Marks, old.Returns, old.Rules
	if since.moved || !maps.Equal(was.Ports, s.Ports) {
		in.Routes = d.routes(n, s, in)
	} else {
		in.Routes = old.Routes
	}
	return in
}

// nodesOfMesh is what the mesh does with the nodes: as clients, and as those through which others' connections entered.
func (d *Desired) nodesOfMesh(in *Ingress) {
	in.Clients, in.Marks, in.Returns = map[netip.Addr]struct{}{}, map[LinkAddr]uint32{}, map[uint32]netip.Addr{}
	for id, node := range d.from.fabric.Nodes {
		if node.Underlay.Is4() {
			in.Clients[node.Underlay] = struct{}{}
		}
		if !node.Ingress.IsValid() {
			continue
		}
		in.Clients[node.Ingress.Addr()] = struct{}{}
		if mark, ok := Mark(in.Subnet, node.Ingress.Addr()); ok && id != d.from.self && node.Underlay.IsValid() {
			in.Marks[LinkAddrOf(node.Ingress.Addr())], in.Returns[mark] = mark, node.Ingress.Addr()
		}
	}
	in.Rules = rulesFor(in.Subnet, in.Returns)
}

// routes lead to the nodes, to their containers through them, and to this node's own. No other address of the subnet may
// be looked for outside.
func (d *Desired) routes(n *Network, s *Segment, in *Ingress) map[netip.Prefix]Route {
	routes := map[netip.Prefix]Route{in.Subnet: {}}
	for addr := range s.Neighbours {
		routes[netip.PrefixFrom(addr, 32)] = Route{Dev: IngressLink}
	}
	for _, e := range n.Endpoints {
		via := d.from.fabric.Nodes[e.Node].Ingress.Addr()
		if _, ok := s.Neighbours[via]; ok && e.Node != d.from.self {
			routes[netip.PrefixFrom(e.Addr, 32)] = Route{Via: via, Dev: IngressLink}
		}
	}
	for name, p := range s.Ports {
		routes[netip.PrefixFrom(p.Addr.Addr(), 32)] = Route{Dev: name}
	}
	return routes
}

// published are the ports of this host and what is behind each. A port of the whole cluster goes before one of a container.
// old and was are the mesh and its network as they were, since the network's changes from then on.
func (d *Desired) published(old *Ingress, was, n *Network, since changes, own map[PortKey][]netip.AddrPort) map[PortKey]*Backends {
	unchanged := old != nil && maps.EqualFunc(old.own, own, slices.Equal)
	if unchanged && len(since.services) == 0 {
		return old.Published
	}
	var ports map[PortKey]*Backends
	if unchanged {
		ports = maps.Clone(old.Published)
		for id := range since.services {
			if s := was.Services[id]; s != nil {
				for _, p := range s.Ports {
					delete(ports, PortKey{p.Protocol, p.Published})
				}
			}
		}
	} else {
		ports, since = map[PortKey]*Backends{}, changesOf(nil, n)
	}
	for key, list := range own {
		if ports[key] == nil {
			ports[key] = NewBackends(slices.Clone(list))
		}
	}
	for id, serving := range since.services {
		if s := n.Services[id]; s != nil {
			for _, p := range s.Ports {
				ports[PortKey{p.Protocol, p.Published}] = backendsAt(serving, p.Target)
			}
		}
	}
	delete(ports, PortKey{"udp", d.from.fabric.Port}) // the overlays' own: nobody would reach anybody any more
	return ports
}

// alive are the addresses of a network's containers, but for those on nodes that are taken for dead.
func (d *Desired) alive(n *Network) map[netip.Addr]struct{} {
	all := make(map[netip.Addr]struct{}, len(n.Endpoints))
	for _, e := range n.Endpoints {
		if !d.from.fabric.Nodes[e.Node].Down {
			all[e.Addr] = struct{}{}
		}
	}
	return all
}
