package dispatcher

import (
	"cmp"
	"net/netip"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
	"google.golang.org/protobuf/proto"
)

// overlay is one network as nodes are told of it.
type overlay struct {
	id        model.ID
	desc      *wire.Network // nil: nothing can be told of it, it has no number yet or is not the cluster's to make
	services  map[model.ID]*wire.FabricService
	endpoints map[model.ID]*wire.Endpoint
	sessions  map[SessionID]*session // those that have it

	// What changed since they were told, and how that is said: made once for all of them.
	described  bool
	reServices map[model.ID]bool
	reEnds     map[model.ID]bool
	delta      []piece
	whole      []piece // all of it; nil: to be made
}

func (f *fabric) overlay(id model.ID) *overlay {
	o := f.overlays[id]
	if o == nil {
		o = &overlay{
			id: id, services: map[model.ID]*wire.FabricService{}, endpoints: map[model.ID]*wire.Endpoint{},
			sessions: map[SessionID]*session{}, reServices: map[model.ID]bool{}, reEnds: map[model.ID]bool{},
		}
		f.overlays[id] = o
	}
	return o
}

// touch notes that a network has changed.
func (f *fabric) touch(o *overlay) {
	f.changed[o.id] = o
	o.whole = nil
}

// settle forgets what changed once the sessions were told, and a network of which there is nothing left to say.
func (f *fabric) settle(o *overlay) {
	o.described, o.delta = false, nil
	clear(o.reServices)
	clear(o.reEnds)
	if o.desc == nil && len(o.services)+len(o.endpoints)+len(o.sessions) == 0 {
		delete(f.overlays, o.id)
	}
}

// on reports whether a node is on a network.
func (f *fabric) on(node model.ID, o *overlay) bool {
	return o.desc != nil && (f.ingress[o.id] || f.refs[node][o.id] > 0)
}

// updateNetwork computes what a network is. Whether it is there decides which networks services are on.
func (m *Machine) updateNetwork(id model.ID) {
	f := &m.fabric
	o := f.overlay(id)
	row, alloc := store.Networks.ByID(m.view, id), store.Allocations.ByID(m.view, id)
	var desc *wire.Network
	if row != nil && alloc != nil && alloc.Done && alloc.VNI != 0 {
		desc = describeNetwork(row, alloc)
	}
	ingress := row != nil && row.Spec.Get().Ingress
	if ingress != f.ingress[id] || (desc == nil) != (o.desc == nil) {
		for r := range store.Services.All(m.view) {
			f.stale.services[r.ID] = true
		}
	}
	if ingress {
		f.ingress[id] = true
	} else {
		delete(f.ingress, id)
	}
	if (desc == nil) != (o.desc == nil) || !proto.Equal(desc, o.desc) {
		o.desc, o.described = desc, true
	}
	f.touch(o)
}

func describeNetwork(row *model.Network, alloc *model.Allocation) *wire.Network {
	n := &wire.Network{Id: wire.Bytes(row.ID), Name: row.Name, Spec: row.Spec.Raw()}
	if alloc != nil {
		n.Vni = alloc.VNI
		if len(alloc.Networks) > 0 {
			n.Subnet, n.Gateway = binaryOf(alloc.Networks[0].Addr), binaryOf(alloc.Networks[0].Gateway)
		}
	}
	return n
}

// updateFabricNode computes how packets are sent to a node. One of which no address is known yet is not told of.
func (m *Machine) updateFabricNode(id model.ID) {
	f := &m.fabric
	var next *wire.FabricNode
	if st := store.NodeStates.ByID(m.view, id); st != nil {
		if addr, err := netip.ParseAddr(cmp.Or(st.DataAddr, st.Addr)); err == nil {
			next = &wire.FabricNode{Id: wire.Bytes(id), Underlay: binaryOf(addr.Unmap()), Down: st.State == model.ReachDown}
			next.Keys, next.Sends = keysOf(st), st.Encryption.Get().Sends
			if a := store.Allocations.ByID(m.view, id); a != nil && a.Kind == model.AllocNode && a.Done && len(a.Networks) > 0 {
				next.Ingress = binaryOf(a.Networks[0].Addr)
			}
		}
	}
	old := f.nodes[id]
	switch {
	case next == nil && old == nil, next != nil && old != nil && proto.Equal(next, old):
		return
	case next == nil:
		delete(f.nodes, id)
	default:
		f.nodes[id] = next
	}
	f.renodes[id] = true
}
