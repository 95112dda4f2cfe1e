package render

import (
	"context"
	"reflect"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"pgregory.net/rapid"
)

// drawCluster draws services of all modes and tasks in any state, some of whose rows are not there (yet, or any more).
func drawCluster(t *rapid.T) store.View {
	modes := []swarm.ServiceMode{{}, {Replicated: &swarm.ReplicatedService{}}, {Global: &swarm.GlobalService{}},
		{ReplicatedJob: &swarm.ReplicatedJob{}}, {GlobalJob: &swarm.GlobalJob{}}}
	states := []model.State{model.StateNew, model.StateAccepted, model.StateRunning, model.StateComplete, model.StateFailed, model.StateShutdown}
	var changes []store.Change
	for i := range uint64(4) {
		spec := swarm.ServiceSpec{Mode: rapid.SampledFrom(modes).Draw(t, "mode")}
		svc := &model.Service{ID: model.NumID(100 + i), Name: string(rune('a' + i)), Revision: model.NumID(200 + i), Iteration: 1}
		if rapid.IntRange(0, 5).Draw(t, "removed") > 0 {
			changes = append(changes, store.Services.Put(svc))
		}
		changes = append(changes, store.Revisions.Put(&model.ServiceRevision{ID: svc.Revision, ServiceID: svc.ID, Spec: model.DocOf(spec)}))
	}
	for i := range uint64(3) {
		reach := rapid.SampledFrom([]model.Reach{model.ReachReady, model.ReachDown}).Draw(t, "reach")
		changes = append(changes, store.NodeStates.Put(&model.NodeState{ID: model.NumID(300 + i), State: reach,
			Since: rapid.Int64Range(0, 2).Draw(t, "since") * int64(model.OrphanAfter)}))
	}
	for i := range uint64(rapid.IntRange(0, 30).Draw(t, "tasks")) {
		// Ids are in no order of services.
		task := &model.Task{ID: model.NumID(1000 + i*7919%101), ServiceID: model.NumID(100 + i%4), Slot: i + 1, Desired: rapid.SampledFrom(states).Draw(t, "desired"),
			Iteration: rapid.Uint32Range(0, 1).Draw(t, "iteration")}
		node := model.NumID(300 + rapid.Uint64Range(0, 3).Draw(t, "node"))
		changes = append(changes, store.Tasks.Put(task))
		if rapid.Bool().Draw(t, "allocated") {
			changes = append(changes, store.Allocations.Put(&model.Allocation{Owner: task.ID, Kind: model.AllocTask, Done: rapid.Bool().Draw(t, "done")}))
		}
		if rapid.Bool().Draw(t, "placed") && task.Desired < model.StateShutdown {
			changes = append(changes, store.Placements.Put(&model.Placement{TaskID: task.ID, NodeID: node}))
		}
		if rapid.Bool().Draw(t, "told") {
			changes = append(changes, store.Statuses.Put(&model.TaskStatus{TaskID: task.ID, State: rapid.SampledFrom(states[1:]).Draw(t, "state")}))
		}
	}
	changes = append(changes, // rows whose task is gone, at both ends and in between
		store.Statuses.Put(&model.TaskStatus{TaskID: model.NumID(998), State: model.StateRunning}),
		store.Statuses.Put(&model.TaskStatus{TaskID: model.NumID(999), State: model.StateRunning}),
		store.Statuses.Put(&model.TaskStatus{TaskID: model.NumID(5000), State: model.StateRunning}),
		store.Allocations.Put(&model.Allocation{Owner: model.NumID(101), Kind: model.AllocService, Done: true}))
	s := store.New()
	d := store.Direct{Store: s, Now: func() time.Time { return time.Unix(0, 2*int64(model.OrphanAfter)) }}
	if _, err := d.Commit(&store.Batch{Writer: store.WriterInit, Changes: changes}).Wait(context.Background()); err != nil {
		t.Fatal(err)
	}
	return s.View()
}

// TestOnePassCountsAsEachServiceDoes: the counts of all services made in one pass are those of each looked at alone, and the states
// those of each task.
func TestOnePassCountsAsEachServiceDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := drawCluster(t)
		all := CountAll(v)
		for s := range store.Services.All(v) {
			if one, of := NewCounts(v).Status(s), all.Status(s); *one != *of {
				t.Fatalf("service %s alone: %+v, among all: %+v", s.Name, *one, *of)
			}
		}
		want := map[model.State]int{}
		for task := range store.Tasks.All(v) {
			want[Observe(v, task).State]++
		}
		if got := States(v); !reflect.DeepEqual(got, want) {
			t.Fatalf("the states are %v, not %v", got, want)
		}
	})
}
