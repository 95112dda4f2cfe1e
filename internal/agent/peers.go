package agent

import (
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/wire"
	"google.golang.org/protobuf/proto"
)

// Peers is what the managers tell a node about themselves and about its own part.
type Peers struct {
	Managers []Peer
	Manager  bool // the role granted to this node; its next certificate will say so

	Roots  []byte // what this node is to trust, in PEM; nil: it was not told
	Issuer []byte // digest of the authority that its certificate is to be of; nil: any
}

// Peer is one manager.
type Peer struct {
	Node   model.ID
	Addr   string
	Leader bool
}

// receivePeers hands out what is new. Only a manager that was believed in this session is listened to.
func (m *Machine) receivePeers(p *wire.Peers) {
	if !m.link.welcomed || proto.Equal(p, m.toldPeers) {
		return
	}
	m.toldPeers = p
	out := &Peers{Manager: p.Manager, Roots: p.Roots, Issuer: p.Issuer}
	for _, w := range p.Managers {
		out.Managers = append(out.Managers, Peer{Node: key(w.NodeId), Addr: w.Addr, Leader: w.Leader})
	}
	m.peers = out
}

// receiveGoodbye ends the session. That this node is no member any more is believed of a manager of the epoch this
// node is in: one of an earlier epoch may not know the node yet, and one that was restored from a backup does not know
// it again; then the containers run on until a person decides.
func (m *Machine) receiveGoodbye(b *wire.Goodbye) {
	m.link.hangup = true
	if b.Reason == wire.Goodbye_NOT_A_MEMBER && b.Epoch != 0 && (m.set.version == 0 || b.Epoch == m.set.epoch) {
		m.expelled = true
	}
}
