package dispatcher

import (
	"bytes"
	"time"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
	"google.golang.org/protobuf/proto"
)

// peersDelay is how long changes of the members gather before every agent is told.
const peersDelay = 200 * time.Millisecond

// peers is what agents are told of the managers.
type peers struct {
	managers []*wire.Manager
	at       time.Time // when a change is to be told; zero: there is none
}

// Lead says on which member the dispatcher runs: agents are told that it leads.
func (m *Machine) Lead(raftID uint64) { m.self = raftID }

// membersChanged has the agents told of the managers soon.
func (m *Machine) membersChanged(now time.Time) {
	if m.peers.managers == nil {
		m.peers.managers = m.managers() // nobody was told of others
		return
	}
	if m.peers.at.IsZero() {
		m.peers.at = now.Add(peersDelay)
	}
}

func (m *Machine) managers() []*wire.Manager {
	list := []*wire.Manager{}
	for row := range store.Members.All(m.view) {
		if row.Addr != "" {
			list = append(list, &wire.Manager{NodeId: wire.Bytes(row.NodeID), Addr: row.Addr, Leader: row.RaftID == m.self})
		}
	}
	return list
}

// tellPeers tells every agent where the managers are now, if that has changed.
func (m *Machine) tellPeers(now time.Time) {
	if m.peers.at.IsZero() || m.peers.at.After(now) {
		return
	}
	m.peers.at = time.Time{}
	list := m.managers()
	if sameManagers(m.peers.managers, list) {
		return
	}
	m.peers.managers = list
	for _, n := range m.nodesInOrder() {
		if n.session != nil {
			m.sendPeers(n.session)
		}
	}
}

func sameManagers(a, b []*wire.Manager) bool {
	return proto.Equal(&wire.Peers{Managers: a}, &wire.Peers{Managers: b})
}

// roleEvent tells a node that it may be something else from now on, or is to have a certificate of another authority.
func (m *Machine) roleEvent(row *model.NodeIdentity) {
	n := m.nodes[row.ID]
	if n != nil && n.session != nil && (n.session.role != row.Role || !bytes.Equal(n.session.issuer, row.Issuer)) {
		m.sendPeers(n.session)
	}
}

// rootEvent tells every agent which root its node is to trust.
func (m *Machine) rootEvent(e store.Event) {
	old, _ := e.Old.(*model.Root)
	cur, _ := e.New.(*model.Root)
	if old == nil || cur == nil || bytes.Equal(old.Cert, cur.Cert) {
		return
	}
	for _, n := range m.nodesInOrder() {
		if n.session != nil {
			m.sendPeers(n.session)
		}
	}
}

func (m *Machine) sendPeers(s *session) {
	s.role, s.issuer = model.RoleWorker, nil
	if row := store.NodeIdentities.ByID(m.view, s.node); row != nil {
		s.role, s.issuer = row.Role, row.Issuer
	}
	told := &wire.Peers{Managers: m.peers.managers, Manager: s.role == model.RoleManager, Issuer: s.issuer}
	if root := store.TheRoot(m.view); root != nil {
		told.Roots = root.Cert
	}
	m.send(s, wire.FromPeers(told))
}
