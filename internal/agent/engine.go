package agent

import (
	"fmt"
	"time"

	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/model"
)

// Lost says that the engine cannot be reached: nothing is asked of it until its containers have been listed again.
func (m *Machine) Lost() { m.up, m.listing = false, false }

// Listing says that the engine's containers are about to be listed. No change after this may be missed: the engine is
// being watched already.
func (m *Machine) Listing() {
	m.listing = true
	for _, t := range m.tasks {
		t.fresh = t.op != nil && t.op.begun
	}
}

// Listed takes the engine's containers as they were at some time since Listing.
func (m *Machine) Listed(list []executor.Container) {
	if !m.listing {
		return // the engine was lost meanwhile
	}
	there := make(map[model.ID]bool, len(list))
	for _, c := range list {
		there[c.TaskID] = true
		t := m.tasks[c.TaskID]
		if t == nil {
			t = &task{id: c.TaskID, stranger: m.set.raised && !m.everUp}
			m.tasks[c.TaskID] = t
		}
		if t.fresh || t.op != nil && t.op.begun {
			t.merge(c) // the list may be older than what the operation told
		} else {
			t.container, t.has, t.stopped = c, true, time.Time{}
		}
	}
	for _, t := range m.tasks {
		if !there[t.id] && !t.fresh && (t.op == nil || !t.op.begun) {
			t.has, t.prepared = false, false
		}
		t.fresh = false
	}
	m.up, m.everUp, m.listing = true, true, false
	m.touchAll()
}

// Changed takes one container's change from the watch.
func (m *Machine) Changed(c executor.Container) {
	t := m.tasks[c.TaskID]
	if t == nil {
		if c.Phase == executor.Gone || !m.up {
			return // nothing is known of it, or the list will tell
		}
		t = &task{id: c.TaskID}
		m.tasks[c.TaskID] = t
	}
	t.merge(c)
	m.touch(c.TaskID)
	m.freed(t)
}

// merge takes what was seen of a container; what is older than what is known is let go.
func (t *task) merge(c executor.Container) {
	switch {
	case c.Phase == executor.Gone:
		if t.has && (c.ID == "" || c.ID == t.container.ID) {
			t.has, t.prepared = false, false
		}
	case !t.has || c.ID != t.container.ID:
		t.container, t.has = c, true
	case c.Phase == executor.Exited && t.container.Phase == executor.Exited:
		// The first word on an exit stands, but for one that came without a code.
		if !t.stopped.IsZero() && t.container.ExitCode == 0 {
			t.container = c
		}
	case c.Phase >= t.container.Phase:
		if c.PID == 0 {
			c.PID = t.container.PID
		}
		if len(c.Ports) == 0 {
			c.Ports = t.container.Ports
		}
		t.container = c
	}
}

// exitWords are Docker's for a process that ended badly.
func exitWords(code int, cause string) string {
	if cause == "" {
		return fmt.Sprintf("task: non-zero exit (%d)", code)
	}
	return fmt.Sprintf("task: non-zero exit (%d): %s", code, cause)
}
