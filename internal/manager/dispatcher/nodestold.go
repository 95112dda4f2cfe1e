package dispatcher

import (
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/wire"
)

// fewNodes is how many nodes a cluster has in which each is told of all others, whatever it has to do with them: a check of
// the network looks at all ways between them. What the leader has to say of nodes grows with the square of their number, and
// at ten thousand that would be a hundred million times, at each change of leaders, for nothing where the routing mesh is
// not used.
const fewNodes = 200

// tellsAll reports whether every node needs to know every other one: where anything is published on every node, connections
// come from any of them.
func (f *fabric) tellsAll() bool {
	if len(f.nodes) <= f.few {
		return true
	}
	for id := range f.ingress {
		if o := f.overlays[id]; o != nil && len(o.services)+len(o.endpoints) > 0 {
			return true
		}
	}
	return false
}

// eachToTell calls f for the nodes whose sessions are to be told of nodes.
func (m *Machine) eachToTell(f func(node model.ID)) {
	all, o := m.fabric.tellsAll(), &m.fabric
	if all && o.lean { // who knows some is to know all
		for id, n := range m.nodes {
			if n.session != nil && n.session.feed.began && n.session.feed.knows != nil {
				f(id)
			}
		}
	}
	o.lean = !all && (o.lean || len(o.renodes) > 0)
	if len(o.renodes) == 0 {
		return
	}
	eachStill(o.whole, func(id model.ID) bool { return m.began(id) && m.nodes[id].session.feed.knows == nil }, f)
	for node := range o.renodes {
		eachStill(o.knowers[node], func(id model.ID) bool { return m.began(id) && m.nodes[id].session.feed.knows[node] }, f)
	}
}

// began reports whether a node has a session that was told something.
func (m *Machine) began(id model.ID) bool {
	n := m.nodes[id]
	return n != nil && n.session != nil && n.session.feed.began
}

// eachStill calls f for the nodes of which what is noted holds still, and strikes the others off.
func eachStill(noted map[model.ID]bool, still func(model.ID) bool, f func(model.ID)) {
	for id := range noted {
		if still(id) {
			f(id)
		} else {
			delete(noted, id)
		}
	}
}

// allNodes tells a session of all nodes, or, in a large cluster without use of the routing mesh, of its own: of others it is
// told with what is on them.
func (f *fabric) allNodes(p *parcel, n *node) {
	n.session.feed.knows = nil
	if !f.tellsAll() {
		f.lean = true
		n.session.feed.knows = map[model.ID]bool{}
		f.tellNode(p, n.session, n.id)
		return
	}
	f.whole[n.id] = true
	for _, id := range inOrder(f.nodes) {
		p.node(id, f.nodes[id])
	}
}

// newNodes tells a session of the nodes that changed, as far as it knows them; or of all, when it is to know them from now on.
func (f *fabric) newNodes(p *parcel, n *node) {
	knows := n.session.feed.knows
	if knows != nil && f.tellsAll() {
		f.allNodes(p, n)
		for _, id := range inOrder(knows) {
			if f.nodes[id] == nil {
				p.node(id, nil)
			}
		}
		return
	}
	for _, id := range inOrder(f.renodes) {
		if knows == nil || knows[id] {
			p.node(id, f.nodes[id])
		}
	}
}

// nodesOf tells a session of the nodes that it does not know and that endpoints of a network are on: of those given, nil: of all.
func (f *fabric) nodesOf(p *parcel, s *session, o *overlay, ends map[model.ID]bool) {
	if s.feed.knows == nil {
		return
	}
	tell := func(e *wire.Endpoint) {
		if e == nil {
			return
		}
		if id, err := wire.ID(e.NodeId); err == nil && !s.feed.knows[id] {
			f.tellNode(p, s, id)
		}
	}
	if ends == nil {
		for _, id := range inOrder(o.endpoints) {
			tell(o.endpoints[id])
		}
		return
	}
	for _, id := range inOrder(ends) {
		tell(o.endpoints[id])
	}
}

// tellNode tells a session of a node; one of which no address is known yet is told of when it has one.
func (f *fabric) tellNode(p *parcel, s *session, id model.ID) {
	s.feed.knows[id] = true
	if f.knowers[id] == nil {
		f.knowers[id] = map[model.ID]bool{}
	}
	f.knowers[id][s.node] = true
	if row := f.nodes[id]; row != nil {
		p.node(id, row)
	}
}
