package agent

import (
	"maps"
	"slices"

	"github.com/skep-org/skep/internal/model"
)

// noteNetworks has the networks that assigned tasks need handed out when some may not be needed any more: whoever looks
// after the engine removes what is made for the others. A set that only grows needs no word, tasks make their networks.
func (m *Machine) noteNetworks(full bool, dropped int) {
	m.networksDue = m.networksDue || full || dropped > 0
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
