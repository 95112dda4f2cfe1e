package agent

import (
	"cmp"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/wire"
	"google.golang.org/protobuf/proto"
)

// fabric is what the node's data plane and the manager have to say to each other.
type fabric struct {
	epoch, version uint64           // of the newest handed out, ever
	out            []*wire.Fabric   // to be handed out
	guests         *wire.Guests     // all of them; nil: the data plane has not told yet
	encryption     *wire.Encryption // how the node carries encrypted networks; nil: the data plane has not told yet
	underlay       string           // where other nodes are to send overlay packets; empty: where the session comes from
}

// fabricLink is the fabric's part of a session.
type fabricLink struct {
	seq           uint64         // of the newest message
	began         bool           // it began with all there is
	parts         []*wire.Fabric // of a message that is not complete yet
	applied, said uint64         // what the data plane is as of, and what the manager was told
	guestsSaid    bool
	encryptSaid   bool
}

// receiveFabric hands the managers' word on the networks out, unless it is of a state this node has left behind, or
// something is missing before it: then another session has to bring all of it.
func (m *Machine) receiveFabric(f *wire.Fabric) {
	if f.Nonce != m.link.nonce {
		return
	}
	l := &m.link.fabric
	older := f.Epoch < m.set.epoch || cmp.Or(cmp.Compare(f.Epoch, m.fabric.epoch), cmp.Compare(f.Version, m.fabric.version)) < 0
	if !m.link.welcomed || older || f.Seq != l.seq+1 || !l.began && !f.Full {
		m.link.hangup = true
		return
	}
	l.seq, l.began = f.Seq, true
	l.parts = append(l.parts, f)
	if f.More {
		return
	}
	m.fabric.out = append(m.fabric.out, assemble(l.parts))
	l.parts = nil
	m.fabric.epoch, m.fabric.version = f.Epoch, f.Version
}

// assemble makes one message of its parts: half of it must never be applied. A network that was cut in two is one
// again, what is said of it is in the first of its parts.
func assemble(parts []*wire.Fabric) *wire.Fabric {
	if len(parts) == 1 {
		return parts[0]
	}
	last := parts[len(parts)-1]
	all := &wire.Fabric{
		Full: parts[0].Full, Nonce: last.Nonce, Seq: last.Seq, Epoch: last.Epoch, Version: last.Version, DataPort: last.DataPort,
	}
	networks := map[model.ID]*wire.FabricNetwork{}
	for _, p := range parts {
		all.Nodes, all.GoneNodes = append(all.Nodes, p.Nodes...), append(all.GoneNodes, p.GoneNodes...)
		all.GoneNetworks = append(all.GoneNetworks, p.GoneNetworks...)
		for _, n := range p.Networks {
			whole := networks[key(n.Id)]
			if whole == nil {
				whole = &wire.FabricNetwork{Id: n.Id, Full: n.Full, Network: n.Network}
				networks[key(n.Id)] = whole
				all.Networks = append(all.Networks, whole)
			}
			whole.Services, whole.GoneServices = append(whole.Services, n.Services...), append(whole.GoneServices, n.GoneServices...)
			whole.Endpoints, whole.GoneEndpoints = append(whole.Endpoints, n.Endpoints...), append(whole.GoneEndpoints, n.GoneEndpoints...)
		}
	}
	return all
}

// Reached says where other nodes are to send overlay packets, from the next session on.
func (m *Machine) Reached(underlay string) { m.fabric.underlay = underlay }

// FabricApplied says that the node's data plane is as of a message of the session with that nonce, and of all before it.
func (m *Machine) FabricApplied(nonce, seq uint64) {
	if l := &m.link; l.open && l.nonce == nonce && seq <= l.fabric.seq {
		l.fabric.applied = max(l.fabric.applied, seq)
	}
}

// FabricRefused says that the data plane cannot make sense of what the session with that nonce brought: another one
// has to bring all of it.
func (m *Machine) FabricRefused(nonce uint64) {
	if m.link.open && m.link.nonce == nonce {
		m.link.hangup = true
	}
}

// SetGuests says which containers that are no task's are on the cluster's networks: all of them.
func (m *Machine) SetGuests(g *wire.Guests) {
	if m.fabric.guests != nil && proto.Equal(g, m.fabric.guests) {
		return
	}
	m.fabric.guests, m.link.fabric.guestsSaid = g, false
}

// SetEncryption says how the node carries encrypted networks, and by which keys.
func (m *Machine) SetEncryption(e *wire.Encryption) {
	if m.fabric.encryption != nil && proto.Equal(e, m.fabric.encryption) {
		return
	}
	m.fabric.encryption, m.link.fabric.encryptSaid = e, false
}

// talkFabric says what the manager is to know of the data plane. Before it has spoken nothing is said of guests: there
// may be some.
func (m *Machine) talkFabric(out *Output) {
	l := &m.link.fabric
	if m.fabric.guests != nil && !l.guestsSaid {
		l.guestsSaid = true
		out.Send = append(out.Send, wire.FromGuests(&wire.Guests{Full: true, Guests: m.fabric.guests.Guests}))
	}
	if m.fabric.encryption != nil && !l.encryptSaid {
		l.encryptSaid = true
		out.Send = append(out.Send, wire.FromEncryption(m.fabric.encryption))
	}
	if l.applied > l.said {
		l.said = l.applied
		out.Send = append(out.Send, wire.FromFabricApplied(&wire.FabricApplied{Nonce: m.link.nonce, Seq: l.said}))
	}
}
