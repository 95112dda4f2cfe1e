package agent

import (
	"maps"
	"slices"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/wire"
)

// noteNetworks has the networks that assigned tasks need handed out when they may be others than before: whoever looks after
// the engine removes what is made for none of them, and may be about to.
func (m *Machine) noteNetworks(a *wire.Assignments) {
	m.networksDue = m.networksDue || a.Full || len(a.Networks)+len(a.Dropped) > 0
}

// networks are the networks of assigned tasks, once a manager has told all of them.
func (m *Machine) networks() *[]model.ID {
	if !m.networksDue || !m.link.synced {
		return nil
	}
	m.networksDue = false
	ids := slices.SortedFunc(maps.Keys(m.set.networks), model.ID.Compare)
	return &ids
}
