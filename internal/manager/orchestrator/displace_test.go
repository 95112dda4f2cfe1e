package orchestrator_test

import (
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/manager/orchestrator"
	"github.com/skep-org/skep/internal/manager/stagetest"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/stretchr/testify/require"
)

// reserving has a world with a service of one task that reserves memory.
func reserving(t *testing.T, memory int64) *stagetest.World {
	w := stagetest.New(t)
	w.Add(orchestrator.New(w.NewID))
	w.Node("n1")
	spec := w.Spec("web")
	spec.TaskTemplate.Resources = &swarm.ResourceRequirements{Reservations: &swarm.Resources{MemoryBytes: memory}}
	w.Ask(spec)
	w.Settle()
	return w
}

// TestNewLeaderDisplaces: what a node came to offer while nobody led is held against its tasks, too.
func TestNewLeaderDisplaces(t *testing.T) {
	w := reserving(t, 4)
	w.Work()
	task := w.Tasks()[0]
	w.Depose()
	w.Offer("n1", func(r *swarm.Resources) { r.MemoryBytes = 3 })
	w.Settle()
	require.Equal(t, model.StateRunning, store.Tasks.ByID(w.View(), task.ID).Desired)

	w.Add(orchestrator.New(w.NewID))
	w.Settle()
	got := store.Tasks.ByID(w.View(), task.ID)
	require.Equal(t, model.StateShutdown, got.Desired)
	require.Equal(t, model.ReasonResources, got.Reason)
}

// TestPlacedBlindly: the scheduler places over a view that may be older than what a node offers now.
func TestPlacedBlindly(t *testing.T) {
	w := reserving(t, 4)
	task := w.Tasks()[0]
	w.Write(store.WriterAllocator, store.Allocations.Put(&model.Allocation{Owner: task.ID, Kind: model.AllocTask, Done: true}))
	w.Offer("n1", func(r *swarm.Resources) { r.MemoryBytes = 3 })
	w.Settle()
	w.Write(store.WriterScheduler, store.Placements.Put(&model.Placement{TaskID: task.ID, NodeID: w.ID("n1")}))
	w.Settle()
	got := store.Tasks.ByID(w.View(), task.ID)
	require.Equal(t, model.StateShutdown, got.Desired)
	require.Equal(t, model.ReasonResources, got.Reason)
}
