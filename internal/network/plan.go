package network

import (
	"maps"
	"net/netip"

	"github.com/skep-org/skep/internal/model"
)

// Settings are what a plan takes from the node itself.
type Settings struct {
	Underlay netip.Addr // that overlay packets are sent from; invalid: as the managers know it
	MTU      int        // of the interface that has this address; 0: the usual one
	// Encryption is what encrypted networks are carried by; nil: nothing.
	Encryption *Encryption
}

// Plan is what the node's kernel is to hold.
func Plan(f *Fabric, self model.ID, boxes []Sandbox, o Settings) *Desired {
	return Replan(nil, f, self, boxes, o)
}

// Replan is [Plan] for who has the plan from before: it takes from it what cannot have changed, and what it took is the
// same pointer, so that neither it nor [Diff] looks through a thousand services when one endpoint changed.
func Replan(before *Desired, f *Fabric, self model.ID, boxes []Sandbox, o Settings) *Desired {
	if !o.Underlay.IsValid() {
		o.Underlay = f.Nodes[self].Underlay
	}
	if before != nil && (before.from.fabric == nil || before.from.self != self || before.from.settings != o ||
		before.from.fabric.Port != f.Port || !maps.Equal(before.from.fabric.Nodes, f.Nodes)) {
		before = nil
	}
	d := &Desired{Segments: map[model.ID]*Segment{}, from: source{f, self, boxes, o}}
	ports := localPorts(f, self, boxes)
	meshed := map[model.ID]changes{}
	for id, n := range f.Networks {
		if n.Ingress && !f.Nodes[self].Ingress.IsValid() {
			continue
		}
		old := before.segmentOf(id)
		since := changesOf(old.of(), n)
		d.Segments[id] = d.segment(old, n, since, ports[id])
		if n.Ingress {
			meshed[id] = since
		}
	}
	d.Boxes = d.boxes(before, boxes)
	d.Host = d.host(before, meshed, boxes)
	d.Encryption = d.encrypt(before)
	return d
}

func (d *Desired) segmentOf(id model.ID) *Segment {
	if d == nil {
		return nil
	}
	return d.Segments[id]
}

// of is the network a segment was planned for; nil for none.
func (s *Segment) of() *Network {
	if s == nil {
		return nil
	}
	return s.network
}

// localPorts are the containers' connections by network.
func localPorts(f *Fabric, self model.ID, boxes []Sandbox) map[model.ID]map[string]LocalPort {
	all := map[model.ID]map[string]LocalPort{}
	for _, b := range boxes {
		for _, l := range b.Links {
			n := f.Networks[l.Network]
			if n == nil || !l.Addr.IsValid() {
				continue
			}
			if all[n.ID] == nil {
				all[n.ID] = map[string]LocalPort{}
			}
			p := LocalPort{Addr: l.Addr, Routed: n.Uplinked(), Box: b.Key}
			if n.Ingress {
				p.Gateway = f.Nodes[self].Ingress.Addr()
			}
			all[n.ID][l.Name()] = p
		}
	}
	return all
}

// segment is a network's part on this node. old is what it was by the same nodes and settings, or nil; since are the network's
// changes from then on.
func (d *Desired) segment(old *Segment, n *Network, since changes, ports map[string]LocalPort) *Segment {
	if old != nil && old.network == n && maps.Equal(old.Ports, ports) {
		return old
	}
	f, o := d.from.fabric, d.from.settings
	s := &Segment{Network: n.ID, Ingress: n.Ingress, Namespace: true, Ports: ports, network: n}
	mtu := MTU(n, o)
	s.Encrypted = n.Encrypted
	if n.Uplinked() {
		s.Uplink = Uplink{n.Subnet.Masked(), mtu}
		s.Bridge = n.bridge(mtu)
		s.Balancers = balancers(old, n, since)
		return s
	}
	s.VXLAN = VXLAN{VNI: n.VNI, Port: f.Port, Local: o.Underlay, MTU: mtu}
	if n.Ingress {
		s.VXLAN.Addr = netip.PrefixFrom(f.Nodes[d.from.self].Ingress.Addr(), 32)
		if n.Encrypted {
			s.VXLAN.Covert, s.VXLAN.Local = true, s.VXLAN.Addr.Addr()
		}
		if old != nil {
			s.FDB, s.Neighbours = old.FDB, old.Neighbours
		} else {
			s.FDB, s.Neighbours = d.nodeAddresses(n.Encrypted)
		}
		return s
	}
	s.Bridge = n.bridge(mtu)
	if old != nil && !since.moved {
		s.FDB, s.Neighbours = old.FDB, old.Neighbours
	} else {
		s.FDB, s.Neighbours = d.remotes(old, n)
	}
	s.Balancers = balancers(old, n, since)
	return s
}

// bridge is what the network's containers are connected to, on every node. An encrypted network's has no other address
// beside it: what is elsewhere is looked for through the uplink.
func (n *Network) bridge(mtu int) Bridge { return Bridge{Addr: n.BridgeAddr(), MTU: mtu} }

// BridgeAddr is the address of the network's bridge, on every node.
func (n *Network) BridgeAddr() netip.Prefix {
	if n.Uplinked() {
		return netip.PrefixFrom(n.Gateway, n.Gateway.BitLen())
	}
	return netip.PrefixFrom(n.Gateway, n.Subnet.Bits())
}

// Uplinked says that the network's containers are routed to what encrypts, one by one. The ingress network's cannot be: its
// packets are from and for clients, who may be anybody.
func (n *Network) Uplinked() bool { return n.Encrypted && !n.Ingress }

// nodeAddresses are where the other nodes' addresses on the ingress network are found: at the nodes' own, or, if it is
// encrypted, at the same ones in the namespace of the encryption.
func (d *Desired) nodeAddresses(encrypted bool) (map[LinkAddr]netip.Addr, map[netip.Addr]LinkAddr) {
	fdb, neighbours := map[LinkAddr]netip.Addr{}, map[netip.Addr]LinkAddr{}
	for id, n := range d.from.fabric.Nodes {
		if id != d.from.self && n.Ingress.IsValid() && n.Underlay.IsValid() {
			mac := LinkAddrOf(n.Ingress.Addr())
			fdb[mac], neighbours[n.Ingress.Addr()] = n.Underlay, mac
			if encrypted {
				fdb[mac] = n.Ingress.Addr()
			}
		}
	}
	return fdb, neighbours
}

// remotes are where other nodes' containers are found, whether they serve or not.
func (d *Desired) remotes(old *Segment, n *Network) (map[LinkAddr]netip.Addr, map[netip.Addr]LinkAddr) {
	was, fdb, neighbours := map[model.ID]*Endpoint(nil), map[LinkAddr]netip.Addr{}, map[netip.Addr]LinkAddr{}
	if old != nil {
		was, fdb, neighbours = old.network.Endpoints, maps.Clone(old.FDB), maps.Clone(old.Neighbours)
		for id, e := range was {
			if n.Endpoints[id] != e {
				delete(fdb, LinkAddrOf(e.Addr))
				delete(neighbours, e.Addr)
			}
		}
	}
	for id, e := range n.Endpoints {
		if was[id] == e || e.Node == d.from.self {
			continue
		}
		if vtep := d.from.fabric.Nodes[e.Node].Underlay; vtep.IsValid() {
			mac := LinkAddrOf(e.Addr)
			fdb[mac], neighbours[e.Addr] = vtep, mac
		}
	}
	return fdb, neighbours
}

// boxes are the containers' own namespaces. Those on the ingress network alone need nothing in theirs.
func (d *Desired) boxes(before *Desired, boxes []Sandbox) map[string]*Box {
	all := make(map[string]*Box, len(boxes))
	for _, b := range boxes {
		box := &Box{Key: b.Key, Tables: map[model.ID]*Balancers{}}
		for _, l := range b.Links {
			if s := d.Segments[l.Network]; s != nil && s.Balancers != nil {
				box.Tables[l.Network] = s.Balancers
			}
		}
		if before != nil && before.Boxes[b.Key] != nil && maps.Equal(before.Boxes[b.Key].Tables, box.Tables) {
			box = before.Boxes[b.Key]
		}
		all[b.Key] = box
	}
	return all
}
