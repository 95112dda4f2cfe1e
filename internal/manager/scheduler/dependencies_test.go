package scheduler

import (
	"fmt"
	"testing"
	"time"

	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/manager/await"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/model/dependency"
	"github.com/skep-org/skep/internal/store"
	"pgregory.net/rapid"
)

// TestWhoeverWaitsIsWoken: whatever happens to the services that others depend on, at rest each task without a node says
// what it waits for as it is, each that waits for nothing has a node, and none was given one before its time; so do a planner
// that saw every change and one that has just come to lead.
func TestWhoeverWaitsIsWoken(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(rt)
		w.do("node n1")
		names := []string{"a", "b", "c", "d", "e"}
		slots, rev := map[string]int{}, 0
		name := rapid.SampledFrom(names)
		ask := func(rt *rapid.T) {
			i := rapid.IntRange(0, len(names)-1).Draw(rt, "service")
			after := ""
			for _, on := range names[:i] {
				if rapid.Bool().Draw(rt, "depends on "+on) {
					after += "," + on + ":" + rapid.SampledFrom([]string{"started", "healthy", "completed_successfully"}).Draw(rt, "condition")
				}
			}
			rev++
			w.do(fmt.Sprintf("service %s rev=%d replicas=%d after=%s", names[i], rev, rapid.IntRange(0, 2).Draw(rt, "replicas"), after))
		}
		task := func(rt *rapid.T) *model.Task {
			var all []*model.Task
			for t := range store.Tasks.All(w.s.View()) {
				all = append(all, t)
			}
			if len(all) == 0 {
				rt.Skip("no task")
			}
			return rapid.SampledFrom(all).Draw(rt, "task")
		}
		rt.Repeat(map[string]func(*rapid.T){
			"ask": ask,
			"remove service": func(rt *rapid.T) {
				n := name.Draw(rt, "service")
				if store.ServiceNamed(w.s.View(), n) == nil {
					rt.Skip("not there")
				}
				w.do("remove " + n)
			},
			"task": func(rt *rapid.T) {
				n := name.Draw(rt, "service")
				if store.ServiceNamed(w.s.View(), n) == nil {
					rt.Skip("not there")
				}
				slots[n]++
				w.do(fmt.Sprintf("tasks %s slots=%d as=-%d", n, 1+slots[n]%2, slots[n]))
			},
			"stop":   func(rt *rapid.T) { w.do("desired " + w.names[task(rt).ID] + " is=shutdown") },
			"remove": func(rt *rapid.T) { w.do("remove " + w.names[task(rt).ID]) },
			"status": func(rt *rapid.T) {
				t := task(rt)
				if s := store.Statuses.ByID(w.s.View(), t.ID); s != nil && s.State.Terminal() {
					rt.Skip("ended")
				}
				w.do("status " + w.names[t.ID] + " is=" + rapid.SampledFrom([]string{"starting", "running", "running", "complete", "failed"}).Draw(rt, "state"))
			},
			"lead": func(*rapid.T) { w.takeover() },
			"": func(rt *rapid.T) {
				before := placedAt(w.s.View())
				w.settle()
				w.clock.Set(w.clock.Now().Add(2 * time.Second)) // what is said may be as old as that
				w.settle()
				checkGates(rt, w, before)
			},
		})
	})
}

func checkGates(t *rapid.T, w *world, before map[model.ID]model.ID) {
	v := w.s.View()
	look := await.At(v)
	for task := range store.Tasks.All(v) {
		p := store.Placements.ByID(v, task.ID)
		_, was := before[task.ID]
		if was || task.Desired >= model.StateShutdown {
			continue
		}
		unmet, _ := look.Unmet(dependency.Of(store.Revisions.ByID(v, task.Revision).Spec.Get().Annotations))
		switch reason := dependency.Reason(unmet); {
		case p == nil:
			t.Fatalf("nothing is said of %s", w.names[task.ID])
		case reason == "" && p.NodeID.IsZero():
			t.Fatalf("%s waits for nothing and has no node: %s", w.names[task.ID], p.Err)
		case reason != "" && !p.NodeID.IsZero():
			t.Fatalf("%s has a node, though it %s", w.names[task.ID], reason)
		case p.Err != reason:
			t.Fatalf("%s says that it %s, and %s", w.names[task.ID], p.Err, reason)
		}
	}
	fresh := New()
	res, err := fresh.Plan(v, fresh.All(v), w.clock.Now())
	if err != nil || len(res.Changes) > 0 {
		t.Fatalf("a new leader would write %d rows, error %v", len(res.Changes), err)
	}
}

// TestManyWaitForMany: what is written of how much is awaited does not grow with every task that comes to run.
func TestManyWaitForMany(t *testing.T) {
	w := newWorld(t)
	w.loop = control.NewLoop(New(), w.s, w.direct(), w.clock)
	w.do("node n1")
	w.do("service db replicas=50")
	w.do("service web after=db:healthy")
	w.do("tasks db slots=1-50")
	w.do("tasks web slots=1-100")
	w.settle()
	from := w.s.View().Index()
	for i := range 49 {
		w.do(fmt.Sprintf("status db.%d is=running", i+1))
		w.settle()
	}
	if n := len(placementsSince(w, from)); n > 0 {
		t.Fatalf("%d placements were written within no time", n)
	}
	w.do("wait 1s")
	w.settle()
	if n := len(placementsSince(w, from)); n != 100 {
		t.Fatalf("%d placements were written after a second", n)
	}
	w.do("status db.50 is=running")
	w.settle()
	if n := len(placedAt(w.s.View())); n != 150 {
		t.Fatalf("%d tasks have a node", n)
	}
}

func placementsSince(w *world, index uint64) []*model.Placement {
	var out []*model.Placement
	for p := range store.Placements.All(w.s.View()) {
		if p.Index > index {
			out = append(out, p)
		}
	}
	return out
}
