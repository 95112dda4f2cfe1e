package dispatcher

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

// maxDescription bounds what a node may say of itself; an engine's description takes a few kilobytes.
const maxDescription = 256 << 10

func (m *Machine) node(id model.ID) *node {
	n := m.nodes[id]
	if n == nil {
		n = &node{id: id}
		m.nodes[id] = n
	}
	return n
}

// nodesInOrder makes a run reproducible.
func (m *Machine) nodesInOrder() []*node {
	list := make([]*node, 0, len(m.nodes))
	for _, n := range m.nodes {
		list = append(list, n)
	}
	slices.SortFunc(list, func(a, b *node) int { return a.id.Compare(b.id) })
	return list
}

// hello answers an agent that opens its session.
func (m *Machine) hello(now time.Time, s *session, h *wire.Hello) {
	id, err := wire.ID(h.NodeId)
	if err != nil || id != s.node {
		m.end(s, wire.Goodbye_PROTOCOL, "the hello names another node than the connection")
		return
	}
	if store.NodeSpecs.ByID(m.view, s.node) == nil {
		m.end(s, wire.Goodbye_NOT_A_MEMBER, fmt.Sprintf("node %s is not in the cluster", s.node))
		return
	}
	desc, err := describe(h.Description)
	if err != nil {
		m.end(s, wire.Goodbye_PROTOCOL, err.Error())
		return
	}
	n := m.node(s.node)
	if n.session != nil && n.session != s {
		m.end(n.session, wire.Goodbye_REPLACED, "the node opened another session")
	}
	n.session, s.welcomed, s.nonce, s.underlay, s.encrypts = s, true, h.Nonce, dataAddr(h.Underlay), h.Encrypts
	m.fullSet(n)
	m.fabric.fresh[n.id] = true
	m.grant(now, n)
	m.bury(now, n)
	n.lease = 0
	m.setNode(now, n, model.ReachReady, "", &desc)
	m.welcome(s)
	m.sendPeers(s)
}

// dataAddr is where a node says that overlay packets reach it; empty: it does not say.
func dataAddr(text string) string {
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.IsUnspecified() {
		return ""
	}
	return addr.Unmap().String()
}

func (m *Machine) welcome(s *session) {
	w := &wire.Welcome{Nonce: s.nonce, HeartbeatPeriod: int64(m.period)}
	if c := store.TheCluster(m.view); c != nil {
		w.ClusterId, w.Epoch = wire.Bytes(c.ID), c.Epoch
	}
	m.send(s, wire.FromWelcome(w))
}

func describe(raw []byte) (model.Doc[swarm.NodeDescription], error) {
	if len(raw) > maxDescription {
		return model.Doc[swarm.NodeDescription]{}, fmt.Errorf("the node's description has %d bytes, at most %d are taken", len(raw), maxDescription)
	}
	d, err := model.NewDoc[swarm.NodeDescription](raw)
	if err != nil {
		return d, fmt.Errorf("the node's description: %w", err)
	}
	return d, nil
}

// setNode proposes a node's state where it differs from what was proposed before; a nil desc leaves the description.
func (m *Machine) setNode(now time.Time, n *node, state model.Reach, message string, desc *model.Doc[swarm.NodeDescription]) {
	row := model.NodeState{ID: n.id}
	if n.state != nil {
		row = *n.state
	}
	same := n.state != nil && row.State == state && row.Message == message && row.Lease == n.lease
	if row.State != state || n.state == nil {
		row.Since = m.stamp(now)
	}
	row.State, row.Message, row.Lease = state, message, n.lease
	if desc != nil && !bytes.Equal(desc.Raw(), row.Description.Raw()) {
		row.Description, same = *desc, false
	}
	if n.session != nil && row.Addr != n.session.addr {
		row.Addr, same = n.session.addr, false
	}
	if n.session != nil && row.DataAddr != n.session.underlay {
		row.DataAddr, same = n.session.underlay, false
	}
	if n.session != nil && !n.session.encrypts && !row.Encryption.IsZero() { // of a build that knew more
		row.Encryption, same = model.Doc[model.NodeEncryption]{}, false
	}
	if same {
		return
	}
	n.state = &row
	m.pending.add(store.NodeStates.Put(&row))
}

// removeNode forgets a node whose row is gone.
func (m *Machine) removeNode(id model.ID) {
	if store.NodeStates.ByID(m.view, id) != nil {
		m.pending.add(store.NodeStates.Delete(model.KeyOf(id)))
	}
	m.dropGuestsOf(id)
	m.dropVolumesOf(id)
	n := m.nodes[id]
	if n == nil {
		return
	}
	if n.session != nil {
		m.end(n.session, wire.Goodbye_NOT_A_MEMBER, fmt.Sprintf("node %s was removed from the cluster", id))
	}
	m.giveUp(id)
	delete(m.nodes, id)
}

// stamp never goes back behind the newest time in the store.
func (m *Machine) stamp(now time.Time) int64 { return max(now.UnixNano(), m.view.Now()) }
