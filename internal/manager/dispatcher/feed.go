package dispatcher

import (
	"maps"
	"time"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

// feed is what a session's node has been told of the fabric.
type feed struct {
	began bool      // all there is
	at    time.Time // when it began
	seq   uint64
	acked uint64
	whole uint64              // the message that ended what it was told first
	has   map[model.ID]bool   // networks
	knows map[model.ID]bool   // nodes it was told of, where it was not told of all; nil: of all
	left  map[model.ID]uint64 // networks it was told to leave, with the message that said so, until it has
	mute  bool                // it did not answer in time, and is not waited for until it does
	trial uint64              // while mute: the message with which it can show that, sent at tried; 0: none was sent since
	tried time.Time
}

// tellFabric sends each session what changed for its node since it was last told, in one go.
func (m *Machine) tellFabric(now time.Time) {
	f := &m.fabric
	if len(f.changed)+len(f.moved)+len(f.fresh)+len(f.renodes) == 0 {
		return
	}
	news := map[model.ID]map[model.ID]bool{} // node → networks to look at
	look := func(node, network model.ID) {
		if news[node] == nil {
			news[node] = map[model.ID]bool{}
		}
		if !network.IsZero() {
			news[node][network] = true
		}
	}
	for id, o := range f.changed {
		for _, s := range o.sessions {
			look(s.node, id)
		}
		if o.described {
			m.eachOn(id, func(node model.ID) { look(node, id) })
		}
	}
	for node, networks := range f.moved {
		for id := range networks {
			look(node, id)
		}
	}
	for node := range f.fresh {
		look(node, model.ID{})
	}
	m.eachToTell(func(node model.ID) { look(node, model.ID{}) })
	for _, id := range inOrder(news) {
		if n := m.nodes[id]; n != nil && n.session != nil {
			m.tell(now, n, news[id])
		}
	}
	for _, o := range f.changed {
		f.settle(o)
	}
	clear(f.changed)
	clear(f.moved)
	clear(f.fresh)
	clear(f.renodes)
}

// eachOn calls f for the nodes that are on a network, if there is anything to tell of it.
func (m *Machine) eachOn(network model.ID, f func(node model.ID)) {
	if m.fabric.ingress[network] {
		for id := range m.nodes {
			f(id)
		}
		return
	}
	for id, networks := range m.fabric.refs {
		if networks[network] > 0 {
			f(id)
		}
	}
}

// tell sends one session its news. A network it comes to is told whole, of one that it leaves nothing more is told.
func (m *Machine) tell(now time.Time, n *node, networks map[model.ID]bool) {
	f, s := &m.fabric, n.session
	p := parcel{max: f.partSize}
	full := !s.feed.began
	if full {
		s.feed.has = map[model.ID]bool{}
		networks = f.networksOf(n.id)
		f.allNodes(&p, n)
		p.next(0) // there is a message even if there is nothing to tell
		p.parts[0].Full = true
	} else {
		f.newNodes(&p, n)
	}
	var left []model.ID
	for _, id := range inOrder(networks) {
		o := f.overlays[id]
		has, on := s.feed.has[id], o != nil && f.on(n.id, o)
		switch {
		case on && has:
			f.nodesOf(&p, s, o, o.reEnds)
			p.network(o.changes(min(f.partSize, pieceSize)))
		case on:
			s.feed.has[id], o.sessions[s.id] = true, s
			f.nodesOf(&p, s, o, nil)
			p.network(o.all(min(f.partSize, pieceSize)))
		case has:
			delete(s.feed.has, id)
			if o != nil {
				delete(o.sessions, s.id)
			}
			p.gone(id)
			left = append(left, id)
		}
	}
	m.post(s, p.parts)
	s.feed.leave(left)
	if s.feed.mute && s.feed.trial == 0 && len(p.parts) > 0 {
		s.feed.trial, s.feed.tried = s.feed.seq, now
	}
	if full && len(p.parts) > 0 {
		s.feed.began, s.feed.at, s.feed.whole = true, now, s.feed.seq
		m.returned(n)
	}
}

// leave notes the networks that the last message told the node to leave.
func (f *feed) leave(networks []model.ID) {
	for _, id := range networks {
		if f.left == nil {
			f.left = map[model.ID]uint64{}
		}
		f.left[id] = f.seq
	}
}

// leaves reports whether the node may have a network still that it is on no more: it has not said that it left it, or
// not yet answered to all there is, in which the network was missing.
func (f *feed) leaves(network model.ID) bool {
	return f.acked < f.whole || f.left[network] > f.acked
}

// networksOf are the networks a node is on.
func (f *fabric) networksOf(node model.ID) map[model.ID]bool {
	all := map[model.ID]bool{}
	for id := range f.refs[node] {
		all[id] = true
	}
	for id := range f.ingress {
		all[id] = true
	}
	return all
}

// post sends the parts of one change, which the node applies together.
func (m *Machine) post(s *session, parts []*wire.Fabric) {
	cluster := store.TheCluster(m.view)
	for i, msg := range parts {
		s.feed.seq++
		msg.Nonce, msg.Seq, msg.Version, msg.More = s.nonce, s.feed.seq, m.view.Index(), i < len(parts)-1
		if cluster != nil {
			msg.Epoch, msg.DataPort = cluster.Epoch, cluster.DataPathPort
		}
		m.send(s, wire.FromFabric(msg))
	}
}

// applied takes a node's word that its data plane is as of a message.
func (m *Machine) applied(now time.Time, s *session, a *wire.FabricApplied) {
	n := m.nodes[s.node]
	if n == nil || n.session != s || a.Nonce != s.nonce || a.Seq > s.feed.seq || a.Seq <= s.feed.acked {
		return
	}
	s.feed.acked = a.Seq
	maps.DeleteFunc(s.feed.left, func(_ model.ID, seq uint64) bool { return seq <= a.Seq })
	if s.feed.trial > 0 && s.feed.trial <= a.Seq {
		s.feed.mute, s.feed.trial = now.Sub(s.feed.tried) >= withdrawWait, 0
	}
	for _, w := range m.fabric.waiting {
		if seq, ok := w.wait[n.id]; ok && seq > 0 && seq <= a.Seq {
			delete(w.wait, n.id)
		}
	}
}
