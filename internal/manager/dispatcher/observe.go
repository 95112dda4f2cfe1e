package dispatcher

import (
	"bytes"
	"time"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// observe takes in what changed in the store since the last step. A new leader, or one that fell behind the change
// feed, looks at everything once.
func (m *Machine) observe(now time.Time) {
	events, view, ok := m.store.Events(m.seen)
	m.view, m.seen = view, view.Index()
	if !ok || !m.started {
		m.started = true
		m.resync(now)
		return
	}
	for _, e := range events {
		m.event(now, e)
		m.fabricEvent(e)
	}
	m.setPeriod(now)
}

// resync starts from the view: rows whose owners are gone are deleted, every node that this leader has not heard of
// is given time to find it, every session gets a full set.
func (m *Machine) resync(now time.Time) {
	m.setPeriod(now)
	m.membersChanged(now)
	for st := range store.NodeStates.All(m.view) {
		if store.NodeSpecs.ByID(m.view, st.ID) == nil {
			m.pending.add(store.NodeStates.Delete(model.KeyOf(st.ID)))
			continue
		}
		if n := m.node(st.ID); n.state == nil {
			n.state = st
			m.await(now, n)
		}
	}
	for id := range m.nodes {
		if store.NodeSpecs.ByID(m.view, id) == nil {
			m.removeNode(id)
		}
	}
	m.strayGuests()
	for row := range store.NodeVolumes.All(m.view) {
		if store.NodeSpecs.ByID(m.view, row.NodeID) == nil {
			m.pending.add(store.NodeVolumes.Delete(row.Key()))
		}
	}
	for st := range store.Statuses.All(m.view) {
		if store.Tasks.ByID(m.view, st.TaskID) == nil {
			m.dropStatus(st.TaskID)
		}
	}
	for _, n := range m.nodes {
		if n.session != nil {
			m.fullSet(n)
			m.sendPeers(n.session)
		}
	}
	m.staleFabric()
}

func (m *Machine) event(now time.Time, e store.Event) {
	switch e.Table {
	case store.Tasks.ID():
		m.taskEvent(e)
	case store.Placements.ID():
		m.placementEvent(e)
	case store.Allocations.ID():
		m.allocationEvent(e)
	case store.Statuses.ID():
		if row, ok := e.New.(*model.TaskStatus); ok && store.Tasks.ByID(m.view, row.TaskID) == nil {
			m.dropStatus(row.TaskID) // the task went while the report was under way
		}
	case store.NodeSpecs.ID():
		if e.New == nil {
			m.removeNode(e.Old.(*model.NodeSpec).ID)
		}
	case store.NodeStates.ID():
		if row, ok := e.New.(*model.NodeState); ok && store.NodeSpecs.ByID(m.view, row.ID) == nil {
			m.pending.add(store.NodeStates.Delete(model.KeyOf(row.ID)))
		}
	case store.NodeIdentities.ID():
		if row, ok := e.New.(*model.NodeIdentity); ok {
			m.roleEvent(row)
		}
	case store.Roots.ID():
		m.rootEvent(e)
	case store.Members.ID():
		m.membersChanged(now)
	case store.Attachments.ID():
		if row, ok := e.New.(*model.Attachment); ok {
			m.strayGuest(row)
		}
	case store.Networks.ID():
		if row, ok := e.New.(*model.Network); ok {
			m.objects[row.ID] = true
			return
		}
		m.strayGuests()
	case store.Clusters.ID():
		m.clusterEvent(e)
	case store.VolumeStates.ID():
		m.volumesEvent(e)
	}
}

func (m *Machine) taskEvent(e store.Event) {
	row := e.New
	if row == nil {
		row = e.Old
	}
	id := row.(*model.Task).ID
	if e.New == nil {
		if store.Statuses.ByID(m.view, id) != nil || m.statuses[id] != nil {
			m.dropStatus(id)
		}
		if nodeID, ok := m.unplaced[id]; ok {
			delete(m.unplaced, id)
			m.mark(nodeID, id)
		}
	}
	if p := store.Placements.ByID(m.view, id); p != nil {
		m.mark(p.NodeID, id)
	}
}

func (m *Machine) placementEvent(e store.Event) {
	cur, _ := e.New.(*model.Placement)
	if old, ok := e.Old.(*model.Placement); ok && (cur == nil || cur.NodeID != old.NodeID) {
		m.mark(old.NodeID, old.TaskID)
		if cur == nil && !old.NodeID.IsZero() && store.Tasks.ByID(m.view, old.TaskID) != nil {
			m.unplaced[old.TaskID] = old.NodeID
		}
	}
	if cur != nil {
		m.mark(cur.NodeID, cur.TaskID)
	}
}

func (m *Machine) allocationEvent(e store.Event) {
	cur, ok := e.New.(*model.Allocation)
	if !ok {
		return
	}
	switch cur.Kind {
	case model.AllocTask:
		if p := store.Placements.ByID(m.view, cur.Owner); p != nil {
			m.mark(p.NodeID, cur.Owner)
		}
	case model.AllocNetwork:
		m.objects[cur.Owner] = true
	}
}

// mark notes that a task's assignment may have changed; nodes without a session get everything when they have one.
func (m *Machine) mark(nodeID, task model.ID) {
	if n := m.nodes[nodeID]; n != nil && n.session != nil {
		n.dirty[task] = true
		m.due[nodeID] = true
	}
}

func (m *Machine) clusterEvent(e store.Event) {
	cur, ok := e.New.(*model.Cluster)
	if !ok {
		return
	}
	old, _ := e.Old.(*model.Cluster)
	if old == nil || !bytes.Equal(logDriver(old), logDriver(cur)) || !bytes.Equal(policy(old), policy(cur)) {
		for _, n := range m.nodesInOrder() {
			if n.session != nil {
				n.session.known.defaults = false
				m.due[n.id] = true
			}
		}
	}
}
