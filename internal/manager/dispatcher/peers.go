package dispatcher

import (
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

// roleEvent tells a node that it may be something else from now on.
func (m *Machine) roleEvent(row *model.NodeIdentity) {
	if n := m.nodes[row.ID]; n != nil && n.session != nil && n.session.role != row.Role {
		m.sendPeers(n.session)
	}
}

func (m *Machine) sendPeers(s *session) {
	s.role = model.RoleWorker
	if row := store.NodeIdentities.ByID(m.view, s.node); row != nil {
		s.role = row.Role
	}
	m.send(s, wire.FromPeers(&wire.Peers{Managers: m.peers.managers, Manager: s.role == model.RoleManager}))
}
