package dispatcher

import (
	"net/netip"
	"slices"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

const (
	// maxGuests bounds what one node may have the cluster remember, maxNames and maxNameLen what of one of them.
	maxGuests  = 4096
	maxNames   = 64
	maxNameLen = 255
)

// guestsReported takes in which containers that no task runs are on a node's attachable networks.
func (m *Machine) guestsReported(n *node, g *wire.Guests) {
	m.loadGuests(n)
	named := map[model.ID]bool{}
	for _, w := range g.Guests {
		row := m.guest(n, w)
		if row == nil {
			continue
		}
		named[row.ID] = true
		old := n.guests[row.ID]
		switch {
		case old == nil && len(n.guests) >= maxGuests:
			m.counters.ForeignGuests++
		case old == nil || old.Addr != row.Addr || !slices.Equal(old.Names, row.Names):
			n.guests[row.ID] = row
			m.pending.add(store.Attachments.Put(row))
		}
	}
	for _, raw := range g.Gone {
		if id, err := wire.ID(raw); err == nil {
			m.dropGuest(n, id)
		}
	}
	if !g.Full {
		return
	}
	for _, id := range inOrder(n.guests) {
		if !named[id] {
			m.dropGuest(n, id)
		}
	}
}

// loadGuests reads a node's guests; from then on what is proposed is newer than what the view has.
func (m *Machine) loadGuests(n *node) {
	if n.guests != nil {
		return
	}
	n.guests = map[model.ID]*model.Attachment{}
	for row := range store.GuestsOf(m.view, n.id) {
		n.guests[row.ID] = row
	}
}

// guest reads one guest; nil: it is none. Which networks may have guests is the api's to decide: here it is enough that
// there is such a network, and nobody else has the id.
func (m *Machine) guest(n *node, w *wire.Guest) *model.Attachment {
	id, err := wire.ID(w.Id)
	network, err2 := wire.ID(w.NetworkId)
	row := &model.Attachment{ID: id, NodeID: n.id, NetworkID: network, Names: w.Names}
	var asked netip.Addr
	if err != nil || err2 != nil || id.IsZero() || asked.UnmarshalBinary(w.Addr) != nil || tooMany(w.Names) {
		m.counters.Malformed++
		return nil
	}
	row.Addr = asked
	net := store.Networks.ByID(m.view, network)
	other := store.Attachments.ByID(m.view, id)
	if other == nil {
		other = n.guests[id]
	} else {
		row.Unknown = other.Unknown
	}
	if net == nil || net.Spec.Get().Ingress || store.Tasks.ByID(m.view, id) != nil ||
		other != nil && (other.NodeID != n.id || other.NetworkID != network) {
		m.counters.ForeignGuests++
		return nil
	}
	return row
}

func tooMany(names []string) bool {
	return len(names) > maxNames || slices.ContainsFunc(names, func(s string) bool { return len(s) > maxNameLen })
}

func (m *Machine) dropGuest(n *node, id model.ID) {
	if n.guests[id] == nil {
		return
	}
	delete(n.guests, id)
	m.pending.add(store.Attachments.Delete(model.KeyOf(id)))
}

// dropGuestsOf deletes the guests of a node that is gone.
func (m *Machine) dropGuestsOf(id model.ID) {
	n := m.nodes[id]
	if n == nil {
		n = &node{id: id}
	}
	m.loadGuests(n)
	for _, g := range inOrder(n.guests) {
		m.dropGuest(n, g)
	}
}

// strayGuest deletes a guest whose node or network went while it was under way, or before this leader's time.
func (m *Machine) strayGuest(row *model.Attachment) {
	if store.NodeSpecs.ByID(m.view, row.NodeID) != nil && store.Networks.ByID(m.view, row.NetworkID) != nil {
		return
	}
	if n := m.nodes[row.NodeID]; n != nil && n.guests != nil {
		m.dropGuest(n, row.ID)
		return
	}
	m.pending.add(store.Attachments.Delete(model.KeyOf(row.ID)))
}

func (m *Machine) strayGuests() {
	for row := range store.Attachments.All(m.view) {
		m.strayGuest(row)
	}
}
