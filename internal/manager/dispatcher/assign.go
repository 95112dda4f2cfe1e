package dispatcher

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

// assign sends each node that something changed for what changed, or a full set where its session has none yet.
func (m *Machine) assign(now time.Time) {
	changed := m.objects
	m.objects = map[model.ID]bool{}
	if len(changed) > 0 {
		for _, n := range m.nodes {
			if n.session != nil && n.session.known.full && knowsAny(n.session.known, changed) {
				m.due[n.id] = true
			}
		}
	}
	for _, id := range slices.SortedFunc(maps.Keys(m.due), model.ID.Compare) {
		delete(m.due, id)
		if n := m.nodes[id]; n != nil && n.session != nil {
			m.assignNode(now, n, changed)
		}
	}
}

func knowsAny(k known, ids map[model.ID]bool) bool {
	for id := range ids {
		if k.objects[id] > 0 {
			return true
		}
	}
	return false
}

func (m *Machine) assignNode(now time.Time, n *node, changed map[model.ID]bool) {
	k := &n.session.known
	a := &wire.Assignments{Full: !k.full, Version: m.view.Index(), SentAt: now.UnixNano()}
	cluster := store.TheCluster(m.view)
	if cluster != nil {
		a.Epoch = cluster.Epoch
	}
	if !k.defaults {
		a.Defaults, k.defaults = &wire.Defaults{LogDriver: logDriver(cluster), Policy: policy(cluster)}, true
	}
	m.volumes(n, a)
	for _, id := range slices.SortedFunc(maps.Keys(changed), model.ID.Compare) {
		if k.objects[id] > 0 {
			object(m.view, a, id)
		}
	}
	var left []model.ID // revisions that lost a task
	for _, id := range m.concerned(n) {
		left = append(left, m.assignTask(n, a, id)...)
	}
	n.dirty = map[model.ID]bool{}
	k.sweep(a, left)
	if a.Full || len(a.Tasks)+len(a.Removed)+len(a.Networks) > 0 || a.Defaults != nil || a.Volumes != nil {
		m.send(n.session, wire.FromAssignments(a))
	}
	k.full = true
}

// concerned lists the tasks to look at: for a full set all on the node, else those that may have changed.
func (m *Machine) concerned(n *node) []model.ID {
	if n.session.known.full {
		return slices.SortedFunc(maps.Keys(n.dirty), model.ID.Compare)
	}
	var ids []model.ID
	for p := range store.PlacedOn(m.view, n.id) {
		ids = append(ids, p.TaskID)
	}
	return ids
}

// assignTask compares what the agent knows of a task with what is so, and returns the revision the task has left.
func (m *Machine) assignTask(n *node, a *wire.Assignments, id model.ID) (left []model.ID) {
	k := &n.session.known
	t, p := store.Tasks.ByID(m.view, id), store.Placements.ByID(m.view, id)
	old := k.tasks[id]
	// A placement may go before its task: the node keeps the task until the task's own row is gone.
	here := t != nil && (p != nil && p.NodeID == n.id || p == nil && old != nil)
	alloc := store.Allocations.ByID(m.view, id)
	ending := false
	if m.fabric.held[id] != nil {
		if old != nil {
			return nil // other nodes balance to it: what is wanted of it now is told when they do not
		}
		ending = t != nil && t.Desired >= model.StateShutdown
		t = wantedBefore(t)
	}
	switch {
	case here && old == t:
	case here && (old != nil || m.ready(t, alloc)):
		if old != nil {
			left = append(left, k.remove(id))
		}
		wt, networks := m.task(t, alloc)
		wt.Ending = ending
		k.add(m.view, a, t, networks)
		m.provide(n.session, t)
		a.Tasks = append(a.Tasks, wt)
	case !here && old != nil:
		left = append(left, k.remove(id))
		a.Removed = append(a.Removed, wire.Bytes(id))
	}
	return left
}

// wantedBefore is a task as its node is told of it in a full set while it is withdrawn: it cannot be left out, and is
// not to stop yet. An agent that has been told so before keeps to it; one that was killed right after that may have stopped
// the container and not know why, so it is told that the task is ending.
func wantedBefore(t *model.Task) *model.Task {
	if t == nil || t.Desired < model.StateShutdown {
		return t
	}
	before := *t
	before.Desired = model.StateRunning
	return &before
}

// ready reports whether a task placed on a node may be handed to it: it has its addresses; or it had been handed out
// before; or it is not to run any more, and the agent is to say that it does not.
func (m *Machine) ready(t *model.Task, alloc *model.Allocation) bool {
	return alloc != nil && alloc.Done || t.Desired >= model.StateShutdown || store.Statuses.ByID(m.view, t.ID) != nil
}

func (m *Machine) task(t *model.Task, alloc *model.Allocation) (*wire.Task, []model.NetworkAddr) {
	w := &wire.Task{
		Id: wire.Bytes(t.ID), ServiceId: wire.Bytes(t.ServiceID), RevisionId: wire.Bytes(t.Revision),
		Slot: t.Slot, Desired: uint32(t.Desired), NotBefore: t.NotBefore,
	}
	if st := m.status(t.ID); st != nil {
		w.State = uint32(st.State)
	}
	if p := store.Placements.ByID(m.view, t.ID); p != nil {
		if len(p.Generic) > 0 {
			w.Generic = jsonOf(p.Generic)
		}
		if len(p.Chosen()) > 0 {
			w.Volumes = jsonOf(p.Chosen())
		}
	}
	if alloc == nil {
		return w, nil
	}
	for _, n := range alloc.Networks {
		w.Networks = append(w.Networks, &wire.Attachment{NetworkId: wire.Bytes(n.NetworkID), Addr: binaryOf(n.Addr), Gateway: binaryOf(n.Gateway)})
	}
	if len(alloc.Ports) > 0 {
		w.Ports = jsonOf(alloc.Ports)
	}
	return w, alloc.Networks
}

// binaryOf is an address's binary form; an invalid one is absent.
func binaryOf(a interface {
	IsValid() bool
	MarshalBinary() ([]byte, error)
}) []byte {
	if !a.IsValid() {
		return nil
	}
	b, _ := a.MarshalBinary()
	return b
}

func jsonOf(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("dispatcher: a stored value cannot be marshalled: " + err.Error())
	}
	return b
}
