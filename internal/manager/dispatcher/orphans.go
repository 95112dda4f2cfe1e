package dispatcher

import (
	"time"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// orphanMargin is how much earlier than [model.OrphanAfter] a node's tasks are given up for good when it comes back:
// until its return is committed, a reader may find that the limit has passed.
const orphanMargin = time.Minute

// bury writes down that the tasks of a node that comes back after its limit are orphaned. Until now that was read off
// the time it has been down; that is over with its first word, and a task that was orphaned never runs again.
func (m *Machine) bury(now time.Time, n *node) {
	if n.state == nil || n.state.State != model.ReachDown || m.stamp(now)-n.state.Since < int64(model.OrphanAfter-orphanMargin) {
		return
	}
	for p := range store.PlacedOn(m.view, n.id) {
		cur := m.status(p.TaskID)
		if store.Tasks.ByID(m.view, p.TaskID) == nil || cur != nil && cur.State.Terminal() {
			continue
		}
		row := &model.TaskStatus{TaskID: p.TaskID, State: model.StateOrphaned, At: m.stamp(now)}
		if cur != nil {
			row.Container, row.Unknown = cur.Container, cur.Unknown
			m.ranAt(now, row, cur, false)
		}
		m.statuses[row.TaskID] = row
		m.pending.putStatus(row)
	}
}
