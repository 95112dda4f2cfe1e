package stagetest

import (
	"strings"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/manager/constraint"
	"github.com/skep-org/skep/internal/manager/resources"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// Place puts a task on a node, as allocator and scheduler would; that the node can take it is the caller's business.
func (w *World) Place(t *model.Task, node model.ID) {
	w.Write(store.WriterAllocator, store.Allocations.Put(&model.Allocation{Owner: t.ID, Kind: model.AllocTask, Done: true}))
	p := &model.Placement{TaskID: t.ID, NodeID: node}
	if room, ask := w.room(node), w.reserved(t); room.Fits(&ask) {
		p.Generic = room.Assign(&ask)
	}
	w.Write(store.WriterScheduler, store.Placements.Put(p))
}

func (w *World) reserved(t *model.Task) resources.Amounts {
	return resources.Reserved(&store.Revisions.ByID(w.View(), t.Revision).Spec.Get().TaskTemplate)
}

// room is what a node offers and what the tasks on it that have not ended take of it.
func (w *World) room(node model.ID) *resources.Room {
	v := w.View()
	room := &resources.Room{Offer: resources.OfferOf(&store.NodeStates.ByID(v, node).Description.Get().Resources)}
	for p := range store.PlacedOn(v, node) {
		s := store.Statuses.ByID(v, p.TaskID)
		if t := store.Tasks.ByID(v, p.TaskID); t != nil && (s == nil || !s.State.Terminal()) {
			reserved := w.reserved(t)
			room.Take(&reserved, p.Generic)
		}
	}
	return room
}

// PlaceAll puts every task that waits on the fitting node with the fewest tasks.
func (w *World) PlaceAll() {
	for _, t := range w.Tasks() {
		if p := store.Placements.ByID(w.View(), t.ID); p == nil && t.Desired < model.StateShutdown {
			if node := w.leastLoaded(t); !node.IsZero() {
				w.Place(t, node)
			}
		}
	}
}

func (w *World) leastLoaded(t *model.Task) (best model.ID) {
	v := w.View()
	var cs []constraint.Constraint
	if p := store.Revisions.ByID(v, t.Revision).Spec.Get().TaskTemplate.Placement; p != nil {
		cs, _ = constraint.Parse(p.Constraints)
	}
	least, ask := 0, w.reserved(t)
	for spec := range store.NodeSpecs.All(v) {
		state := store.NodeStates.ByID(v, spec.ID)
		if !t.NodeID.IsZero() && t.NodeID != spec.ID || state == nil || state.State != model.ReachReady ||
			spec.Spec.Get().Availability != swarm.NodeAvailabilityActive || !constraint.Match(cs, constraint.NodeOf(spec, state, model.RoleWorker)) ||
			!w.room(spec.ID).Fits(&ask) {
			continue
		}
		load := w.load(spec.ID)
		if best.IsZero() || load < least || load == least && w.Name(spec.ID) < w.Name(best) {
			best, least = spec.ID, load
		}
	}
	return best
}

func (w *World) load(node model.ID) int {
	n := 0
	for p := range store.PlacedOn(w.View(), node) {
		if t := store.Tasks.ByID(w.View(), p.TaskID); t != nil && t.Desired < model.StateShutdown {
			n++
		}
	}
	return n
}

// Report is a task's new state as its agent reports it.
func (w *World) Report(t *model.Task, state model.State, exit int32, message string) {
	s := &model.TaskStatus{TaskID: t.ID, State: state, At: w.Now().UnixNano(), ExitCode: exit}
	old := store.Statuses.ByID(w.View(), t.ID)
	if old != nil && old.State.Terminal() {
		return
	}
	if state.Terminal() || message != "" {
		s.Detail = &model.TaskDetail{Err: message}
		if old != nil && old.State == model.StateRunning {
			s.Detail.RanAt = old.At
		}
	}
	w.Write(store.WriterDispatcher, store.Statuses.Put(s))
}

// Agents lets every agent that is heard do one step for each of its tasks and reports whether one did.
// What a task does follows from its image: missing… cannot be pulled, crash… fails as soon as it runs, done… ends
// well, slow… takes a further step to start, stuck… does not stop.
func (w *World) Agents() bool {
	worked := false
	for _, t := range w.Tasks() {
		p := store.Placements.ByID(w.View(), t.ID)
		if p == nil || p.NodeID.IsZero() {
			continue
		}
		if n := store.NodeStates.ByID(w.View(), p.NodeID); n == nil || n.State != model.ReachReady {
			continue
		}
		worked = w.agentStep(t) || worked
	}
	w.collect()
	return worked
}

func (w *World) agentStep(t *model.Task) bool {
	var at model.State
	if s := store.Statuses.ByID(w.View(), t.ID); s != nil {
		at = s.State
	}
	image := store.Revisions.ByID(w.View(), t.Revision).Spec.Get().TaskTemplate.ContainerSpec.Image
	does := func(what string) bool { return strings.HasPrefix(image, what) }
	switch {
	case at.Terminal():
		return false
	case t.Desired >= model.StateShutdown:
		if does("stuck") {
			return false
		}
		w.Report(t, model.StateShutdown, 0, "")
	case at < model.StateReady && does("missing"):
		w.Report(t, model.StateRejected, 0, "No such image: "+image)
	case at < model.StateReady:
		w.Report(t, model.StateReady, 0, "")
	case t.Desired < model.StateRunning:
		return false
	case at < model.StateStarting && does("slow"):
		w.Report(t, model.StateStarting, 0, "")
	case at < model.StateRunning:
		w.Report(t, model.StateRunning, 0, "")
	case does("crash"):
		w.Report(t, model.StateFailed, 1, "task: non-zero exit (1)")
	case does("done"):
		w.Report(t, model.StateComplete, 0, "")
	default:
		return false
	}
	return true
}

// collect deletes what the other stages keep of tasks that are gone.
func (w *World) collect() {
	v := w.View()
	for p := range store.Placements.All(v) {
		if store.Tasks.ByID(v, p.TaskID) == nil {
			key := p.Key()
			w.Write(store.WriterScheduler, store.Placements.Delete(key))
			w.Write(store.WriterAllocator, store.Allocations.Delete(key))
			w.Write(store.WriterDispatcher, store.Statuses.Delete(key))
		}
	}
}

// Work lets everything happen that can at this time: stages, scheduler and agents, until nothing does.
func (w *World) Work() {
	w.t.Helper()
	for range maxSteps {
		w.Settle()
		before := w.View().Index()
		w.PlaceAll()
		if !w.Agents() && w.View().Index() == before {
			return
		}
	}
	w.t.Fatalf("the cluster did not come to rest in %d rounds:\n%s", maxSteps, w.PrintTasks(""))
}
