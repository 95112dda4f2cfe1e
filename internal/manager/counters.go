package manager

import "github.com/skep-org/skep/internal/manager/dispatcher"

// Counters tells what the term's dispatcher has counted so far.
func (t *stages) Counters() dispatcher.Counters { return t.dispatcher.Counters() }

// Counters tells what the dispatcher of this member's term has counted; false: this member does not lead.
func (m *Manager) Counters() (dispatcher.Counters, bool) {
	t := m.current.Load()
	if t == nil {
		return dispatcher.Counters{}, false
	}
	c, can := (*t).(interface{ Counters() dispatcher.Counters })
	if !can {
		return dispatcher.Counters{}, false
	}
	return c.Counters(), true
}
