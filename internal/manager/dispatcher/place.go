package dispatcher

import (
	"bytes"
	"slices"

	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

// place is where a task or guest is on the networks, from when it has an address until its container has ended.
type place struct {
	node     model.ID
	service  model.ID // zero: a guest's
	revision model.ID
	serving  bool
	rows     []placeRow
}

type placeRow struct {
	network model.ID
	end     *wire.Endpoint
}

// updatePlace computes where a task or guest is, and whether it may be balanced to.
func (m *Machine) updatePlace(id model.ID) {
	f := &m.fabric
	old := f.places[id]
	var next *place
	if g := store.Attachments.ByID(m.view, id); g != nil {
		next = m.guestPlace(g)
	} else {
		next = m.taskPlace(id)
	}
	m.noteLeaving(id, old, next)
	if samePlace(old, next) {
		return
	}
	if old != nil {
		f.remove(id, old)
	}
	if next != nil {
		f.add(id, next)
	}
}

// taskPlace is a task's place, or nil where it has none.
func (m *Machine) taskPlace(id model.ID) *place {
	t, p, a := store.Tasks.ByID(m.view, id), store.Placements.ByID(m.view, id), store.Allocations.ByID(m.view, id)
	if t == nil || p == nil || p.NodeID.IsZero() || a == nil || !a.Done || len(a.Networks) == 0 {
		return nil
	}
	node, st := store.NodeStates.ByID(m.view, p.NodeID), store.Statuses.ByID(m.view, id)
	if node == nil || st != nil && st.State.Terminal() {
		return nil
	}
	serving := st != nil && st.State == model.StateRunning && t.Desired < model.StateShutdown && node.State != model.ReachDown
	pl := &place{node: p.NodeID, service: t.ServiceID, revision: t.Revision, serving: serving}
	var names []string
	if rev := store.Revisions.ByID(m.view, t.Revision); rev != nil {
		names = []string{executor.TaskName(rev.Spec.Get().Name, t.Slot, p.NodeID, id)}
	}
	for _, n := range a.Networks {
		pl.row(id, n, names)
	}
	return pl
}

// guestPlace is the place of a container that no task runs.
func (m *Machine) guestPlace(g *model.Attachment) *place {
	a, node := store.Allocations.ByID(m.view, g.ID), store.NodeStates.ByID(m.view, g.NodeID)
	if a == nil || !a.Done || node == nil {
		return nil
	}
	pl := &place{node: g.NodeID, serving: node.State != model.ReachDown}
	for _, n := range a.Networks {
		if n.NetworkID == g.NetworkID {
			pl.row(g.ID, n, g.Names)
		}
	}
	if len(pl.rows) == 0 {
		return nil
	}
	return pl
}

func (p *place) row(id model.ID, n model.NetworkAddr, names []string) {
	p.rows = append(p.rows, placeRow{n.NetworkID, &wire.Endpoint{
		Id: wire.Bytes(id), ServiceId: wire.Bytes(p.service), NodeId: wire.Bytes(p.node),
		Addr: binaryOf(n.Addr.Addr()), Serving: p.serving, Names: names,
	}})
}

func samePlace(a, b *place) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.node == b.node && a.service == b.service && a.revision == b.revision && a.serving == b.serving &&
		slices.EqualFunc(a.rows, b.rows, func(x, y placeRow) bool {
			return x.network == y.network && bytes.Equal(x.end.Addr, y.end.Addr) && slices.Equal(x.end.Names, y.end.Names)
		})
}

// add takes a place in: its node is on its networks, its service lives there.
func (f *fabric) add(id model.ID, p *place) {
	f.places[id] = p
	for _, r := range p.rows {
		o := f.overlay(r.network)
		o.endpoints[id], o.reEnds[id] = r.end, true
		f.touch(o)
		f.count(p.node, r.network, 1)
		if !p.service.IsZero() {
			f.live(p, r.network, 1)
		}
	}
}

func (f *fabric) remove(id model.ID, p *place) {
	delete(f.places, id)
	for _, r := range p.rows {
		o := f.overlay(r.network)
		delete(o.endpoints, id)
		o.reEnds[id] = true
		f.touch(o)
		f.count(p.node, r.network, -1)
		if !p.service.IsZero() {
			f.live(p, r.network, -1)
		}
	}
}

// count keeps how many places a node has on a network.
func (f *fabric) count(node, network model.ID, by int) {
	if f.refs[node] == nil {
		f.refs[node] = map[model.ID]int{}
	}
	f.refs[node][network] += by
	if f.refs[node][network] == 0 {
		delete(f.refs[node], network)
	}
	if len(f.refs[node]) == 0 {
		delete(f.refs, node)
	}
	f.move(node, network)
}

// move notes that a node may have come to a network or left it.
func (f *fabric) move(node, network model.ID) {
	if f.moved[node] == nil {
		f.moved[node] = map[model.ID]bool{}
	}
	f.moved[node][network] = true
}
