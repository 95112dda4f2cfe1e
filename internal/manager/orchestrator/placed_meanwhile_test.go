package orchestrator_test

import (
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/manager/orchestrator"
	"github.com/skep-org/skep/internal/manager/stagetest"
	"github.com/skep-org/skep/internal/store"
	"github.com/stretchr/testify/require"
)

// TestPlacedMeanwhile: a task that no node has is replaced at once. When the scheduler placed it since the plan's view, it
// may run: that plan is refused, and the next one has its successor wait.
func TestPlacedMeanwhile(t *testing.T) {
	w := stagetest.New(t)
	planner := orchestrator.New(w.NewID)
	w.Add(planner)
	w.Node("n1")
	w.Ask(w.Spec("web"))
	w.Settle()
	require.Len(t, w.Tasks(), 1)
	task := w.Tasks()[0]
	spec := w.Spec("web")
	spec.TaskTemplate.ContainerSpec = &swarm.ContainerSpec{Image: "next"}
	w.Ask(spec)

	fresh := orchestrator.New(w.NewID)
	res, err := fresh.Plan(w.View(), fresh.All(w.View()), w.Now())
	require.NoError(t, err)
	w.PlaceAll()
	commit := store.Direct{Store: w.Store, Now: w.Now}
	_, _, err = commit.Commit(&store.Batch{Writer: planner.Writer(), Conditions: res.Conditions, Changes: res.Changes}).Result()
	require.Error(t, err, "the task was placed after the view of the plan")

	w.Settle()
	placed := store.Placements.ByID(w.View(), task.ID)
	require.NotNil(t, placed)
	require.NotNil(t, store.Tasks.ByID(w.View(), task.ID), "its node has the task: the row is needed until it has ended")
}
