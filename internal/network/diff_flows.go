package network

import (
	"cmp"
	"net/netip"

	"github.com/skep-org/skep/internal/model"
)

// flows names the connections to forget: to containers that are gone, and to those on nodes taken for dead. A container
// that only does not serve any more keeps its own.
func (d *differ) flows() {
	for id, s := range byKey(d.want.Segments, model.ID.Compare) {
		flows := d.goneFrom(s)
		if flows == nil {
			continue
		}
		if s.Ingress {
			d.last = append(d.last, Op{Act: Remove, Kind: KindFlows, Flows: flows})
			continue
		}
		for key, box := range byKey(d.want.Boxes, cmp.Compare[string]) {
			if box.Tables[id] != nil {
				d.last = append(d.last, Op{Act: Remove, Kind: KindFlows, Box: key, Flows: flows})
			}
		}
	}
}

// goneFrom says to which of a network's addresses connections make no sense any more. Where have was read from a kernel
// it does not tell who was there: then it is all addresses that nobody has.
func (d *differ) goneFrom(s *Segment) *Flows {
	have := d.have.segmentOf(s.Network)
	if have == nil || s.network == nil {
		return nil
	}
	if have.network == nil {
		return &Flows{Subnet: s.network.Subnet, Alive: d.want.alive(s.network)}
	}
	gone := map[netip.Addr]struct{}{}
	if have.network != s.network {
		for id, e := range have.network.Endpoints {
			if now := s.network.Endpoints[id]; now == nil || now.Addr != e.Addr {
				gone[e.Addr] = struct{}{}
			}
		}
	}
	if lost := newlyDown(d.want.from.fabric, d.have.from.fabric); len(lost) > 0 {
		for _, e := range s.network.Endpoints {
			if _, down := lost[e.Node]; down {
				gone[e.Addr] = struct{}{}
			}
		}
	}
	if len(gone) == 0 {
		return nil
	}
	return &Flows{Subnet: s.network.Subnet, Gone: gone}
}

// newlyDown are the nodes that are taken for dead now and were not before.
func newlyDown(now, before *Fabric) map[model.ID]struct{} {
	lost := map[model.ID]struct{}{}
	for id, n := range now.Nodes {
		if n.Down && !before.Nodes[id].Down {
			lost[id] = struct{}{}
		}
	}
	return lost
}
