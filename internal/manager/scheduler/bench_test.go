package scheduler

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// fill makes nodes and a service for each hundred tasks, and lets p place them.
func fill(b *testing.B, p *Planner, nodes, tasks int) *world {
	w := newWorld(b)
	w.loop = control.NewLoop(p, w.s, w.direct(), w.clock)
	for i := range nodes {
		w.do(fmt.Sprintf("node n%d cpu=1000000 mem=1000000 label.zone=%d", i, i%3))
	}
	for i := range tasks / 100 {
		w.do(fmt.Sprintf("service s%d cpu=1 mem=1 spread=node.labels.zone", i))
		w.do(fmt.Sprintf("tasks s%d slots=1-100", i))
	}
	w.settle()
	if placed := len(placedAt(w.s.View())); placed != tasks {
		b.Fatalf("%d of %d tasks are placed", placed, tasks)
	}
	return w
}

// BenchmarkPlace places a service's hundred tasks, and then one, where 50,000 run on 500 nodes.
func BenchmarkPlace(b *testing.B) {
	p := New()
	w := fill(b, p, 500, 50_000)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	p.usage = newUsage()
	runtime.GC()
	runtime.ReadMemStats(&after)
	perTask := float64(before.HeapAlloc-after.HeapAlloc) / 50_000
	start := time.Now()
	if _, err := p.Plan(w.s.View(), p.All(w.s.View()), w.clock.Now()); err != nil {
		b.Fatal(err)
	}
	takeover := time.Since(start)

	for _, size := range []int{1, 100} {
		b.Run(fmt.Sprintf("tasks=%d", size), func(b *testing.B) {
			svc := store.Services.ByID(w.s.View(), w.id("s0"))
			v := w.s.View()
			var changes []store.Change
			var keys []control.Key
			for i := range size {
				t := &model.Task{ID: model.NumID(uint64(1 + i)), ServiceID: svc.ID, Revision: svc.Revision, Slot: uint64(1000 + i), Desired: model.StateRunning}
				changes = append(changes, store.Tasks.Put(t), store.Allocations.Put(&model.Allocation{Owner: t.ID, Kind: model.AllocTask, Done: true}))
				keys = append(keys, control.Key{Kind: kindTask, Key: t.Key()})
			}
			with, err := w.s.With(v, changes)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				res, err := p.Plan(with, keys, w.clock.Now())
				if err != nil || len(res.Changes) != size {
					b.Fatalf("%d placed, %v", len(res.Changes), err)
				}
				if _, err := p.Plan(v, keys, w.clock.Now()); err != nil { // they are gone again
					b.Fatal(err)
				}
			}
			b.ReportMetric(perTask, "heapB/task")
			b.ReportMetric(takeover.Seconds(), "s/takeover")
		})
	}
}
