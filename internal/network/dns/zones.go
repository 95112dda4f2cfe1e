package dns

import (
	"net/netip"
	"slices"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network"
)

// Asker is a container of this node as one that asks for names.
type Asker struct {
	Sandbox network.Sandbox // it asks from its links' addresses and sees the names of their networks, the first one's first
	Ready   bool            // its interfaces are programmed: until then its queries wait
	// Upstreams are what its user wants asked for other names (docker's --dns); none: the host's.
	Upstreams []netip.AddrPort
	// Outside says that it is on a network beside the cluster's that leads out. Without one, a container that has only
	// internal networks cannot have a name resolved outside either: queries are a way out, too.
	Outside bool
}

// Zones is everything that is answered. It is immutable.
type Zones struct {
	zones   map[model.ID]*zone
	askers  map[place]*asker
	subnets []netip.Prefix // of all overlays on this node: their addresses are nobody else's business
}

// place is where a query comes from.
type place struct {
	network model.ID
	addr    netip.Addr
}

type asker struct {
	ready     bool
	zones     []*zone // whose names it sees, in this order
	upstreams []netip.AddrPort
	closed    bool // nothing is asked of an upstream for it
}

// MakeZones makes what is answered on this node from what the managers said and from the containers there are. It takes
// over from before, which may be nil, what did not change.
func MakeZones(before *Zones, f *network.Fabric, askers []Asker) *Zones {
	z := &Zones{zones: make(map[model.ID]*zone, len(f.Networks)), askers: map[place]*asker{}}
	own := map[netip.Addr]bool{}
	for id, n := range f.Networks {
		var old *zone
		if before != nil {
			old = before.zones[id]
		}
		z.zones[id] = old.next(n)
		if n.Subnet.IsValid() {
			z.subnets = append(z.subnets, n.Subnet.Masked())
		}
		own[n.Gateway] = true
	}
	slices.SortFunc(z.subnets, func(a, b netip.Prefix) int { return a.Compare(b) })
	for _, a := range askers {
		z.add(f, a, own)
	}
	return z
}

func (z *Zones) add(f *network.Fabric, from Asker, own map[netip.Addr]bool) {
	a := &asker{ready: from.Ready, closed: !from.Outside}
	for _, u := range from.Upstreams {
		if !own[u.Addr()] { // asking ourselves would go on for ever
			a.upstreams = append(a.upstreams, u)
		}
	}
	for _, l := range from.Sandbox.Links {
		n := f.Networks[l.Network]
		if n == nil {
			continue
		}
		z.askers[place{l.Network, l.Addr.Addr().Unmap()}] = a
		if !n.Internal {
			a.closed = false
		}
		if !n.Ingress { // it carries packets between nodes and has no names
			a.zones = append(a.zones, z.zones[n.ID])
		}
	}
}
