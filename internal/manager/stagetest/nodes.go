package stagetest

import (
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// Node adds a ready node that offers more than any test reserves.
func (w *World) Node(name string) {
	id := w.NewID()
	w.call(id, name)
	d := swarm.NodeDescription{Hostname: name, Resources: swarm.Resources{NanoCPUs: 1000e9, MemoryBytes: 1 << 40}}
	w.Write(store.WriterAPI, store.NodeSpecs.Put(&model.NodeSpec{ID: id, Spec: model.DocOf(swarm.NodeSpec{Availability: swarm.NodeAvailabilityActive})}))
	w.Write(store.WriterDispatcher, store.NodeStates.Put(&model.NodeState{ID: id, State: model.ReachReady, Since: w.Now().UnixNano(), Description: model.DocOf(d)}))
}

// EditNode changes what was asked of a node.
func (w *World) EditNode(name string, edit func(*swarm.NodeSpec)) {
	n := *store.NodeSpecs.ByID(w.View(), w.ID(name))
	spec := *n.Spec.Get()
	edit(&spec)
	n.Spec = model.DocOf(spec)
	w.Write(store.WriterAPI, store.NodeSpecs.Put(&n))
}

// Offer changes what a node's engine says it has.
func (w *World) Offer(name string, edit func(*swarm.Resources)) {
	n := *store.NodeStates.ByID(w.View(), w.ID(name))
	d := *n.Description.Get()
	edit(&d.Resources)
	n.Description = model.DocOf(d)
	w.Write(store.WriterDispatcher, store.NodeStates.Put(&n))
}

// Reach changes whether a node's agent is heard. Of one that comes back after its limit the tasks are written off, as
// the dispatcher does.
func (w *World) Reach(name string, r model.Reach) {
	n := *store.NodeStates.ByID(w.View(), w.ID(name))
	if n.State == model.ReachDown && w.Now().UnixNano()-n.Since >= int64(model.OrphanAfter) {
		w.bury(n.ID)
	}
	n.State, n.Since = r, w.Now().UnixNano()
	w.Write(store.WriterDispatcher, store.NodeStates.Put(&n))
}

// RemoveNode deletes a node.
func (w *World) RemoveNode(name string) {
	key := model.KeyOf(w.ID(name))
	w.Write(store.WriterAPI, store.NodeSpecs.Delete(key))
	w.Write(store.WriterDispatcher, store.NodeStates.Delete(key))
}

func (w *World) bury(node model.ID) {
	for p := range store.PlacedOn(w.View(), node) {
		t, st := store.Tasks.ByID(w.View(), p.TaskID), store.Statuses.ByID(w.View(), p.TaskID)
		if t != nil && (st == nil || !st.State.Terminal()) {
			w.Write(store.WriterDispatcher, store.Statuses.Put(&model.TaskStatus{TaskID: t.ID, State: model.StateOrphaned, At: w.Now().UnixNano()}))
		}
	}
}
