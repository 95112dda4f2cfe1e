package store

import (
	"bytes"
	"io"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
)

// drawID is an id as production draws them: keys come in no order.
func drawID(r *rand.ChaCha8) model.ID {
	var id model.ID
	_, _ = r.Read(id[:])
	return id
}

// runningTask makes the rows of one running task, as the stages leave them.
func runningTask(r *rand.ChaCha8, svc *model.Service, slot uint64, node model.ID) (byWriter [4]Change) {
	task := &model.Task{ID: drawID(r), ServiceID: svc.ID, Revision: svc.Revision, Slot: slot, Desired: model.StateRunning, Reason: model.ReasonCreated}
	status := &model.TaskStatus{TaskID: task.ID, State: model.StateRunning, At: 1, PID: 4711}
	_, _ = r.Read(status.Container[:])
	return [4]Change{
		Tasks.Put(task),
		Allocations.Put(&model.Allocation{Owner: task.ID, Kind: model.AllocTask, Done: true}),
		Placements.Put(&model.Placement{TaskID: task.ID, NodeID: node}),
		Statuses.Put(status),
	}
}

// fillCluster makes a store of n running tasks, a hundred a service and a node, in the batches that stages write.
func fillCluster(t interface{ Fatal(...any) }, n int) *Store {
	r := rand.NewChaCha8([32]byte{1})
	s, index := New(), uint64(0)
	apply := func(w Writer, changes ...Change) {
		index++
		raw, err := EncodeEntry(Entry{Time: int64(index), Batch: &Batch{Writer: w, Changes: changes}})
		if err != nil {
			t.Fatal(err)
		}
		e, err := DecodeEntry(raw)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Apply(index, e); err != nil {
			t.Fatal(err)
		}
	}
	nodes := make([]model.ID, max(1, n/100))
	for i := range nodes {
		nodes[i] = drawID(r)
	}
	for made := 0; made < n; made += 100 {
		svc := &model.Service{ID: drawID(r), Name: drawID(r).String(), Revision: drawID(r)}
		spec := swarm.ServiceSpec{Annotations: swarm.Annotations{Name: svc.Name}}
		spec.TaskTemplate.ContainerSpec = &swarm.ContainerSpec{Image: "example/web:1"}
		apply(WriterAPI, Services.Put(svc), Revisions.Put(&model.ServiceRevision{ID: svc.Revision, ServiceID: svc.ID, Spec: model.DocOf(spec)}))
		var byWriter [4][]Change
		for slot := range uint64(min(100, n-made)) {
			for w, c := range runningTask(r, svc, slot+1, nodes[(made+int(slot)*7)%len(nodes)]) {
				byWriter[w] = append(byWriter[w], c)
			}
		}
		for w, changes := range byWriter {
			apply([]Writer{WriterOrchestrator, WriterAllocator, WriterScheduler, WriterDispatcher}[w], changes...)
		}
	}
	return s
}

// perTask is the live heap that n running tasks take, services and nodes told in.
func perTask(t interface{ Fatal(...any) }, n int) float64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&before)
	s := fillCluster(t, n)
	s.Advance(s.View().Index() + 1)
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(s)
	return float64(after.HeapAlloc-before.HeapAlloc) / float64(n)
}

// TestMemoryPerTask holds the promise of at most a kilobyte of live heap for each running task, all rows and indexes
// told; the change feed, which is bounded, is told too.
func TestMemoryPerTask(t *testing.T) {
	const n, limit = 20_000, 1024
	if got := perTask(t, n); got > limit {
		t.Errorf("%.0f bytes of live heap for each of %d running tasks; at most %d are promised", got, n, limit)
	}
}

// BenchmarkMemoryPerTask reports the same at 100,000 tasks.
func BenchmarkMemoryPerTask(b *testing.B) {
	for b.Loop() {
		b.ReportMetric(perTask(b, 100_000), "heapB/task")
	}
}

// BenchmarkApply updates the status of one of 100,000 tasks, in entries of different sizes.
func BenchmarkApply(b *testing.B) {
	for _, size := range []int{1, 100} {
		b.Run(map[int]string{1: "batch=1", 100: "batch=100"}[size], func(b *testing.B) {
			s := fillCluster(b, 100_000)
			var keys []model.ID
			for t := range Tasks.All(s.View()) {
				keys = append(keys, t.ID)
			}
			r := rand.New(rand.NewPCG(1, 2))
			index := s.View().Index()
			rows := 0
			for b.Loop() {
				batch := &Batch{Writer: WriterDispatcher}
				for range size {
					batch.Changes = append(batch.Changes, Statuses.Put(&model.TaskStatus{TaskID: keys[r.IntN(len(keys))], State: model.StateRunning}))
				}
				index++
				if err := s.Apply(index, Entry{Time: int64(index), Batch: batch}); err != nil {
					b.Fatal(err)
				}
				rows += size
			}
			b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// BenchmarkFill makes a cluster of 20,000 tasks from nothing, the trip through the log's form told in.
func BenchmarkFill(b *testing.B) {
	for b.Loop() {
		fillCluster(b, 20_000)
	}
	b.ReportMetric(80_000*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkSnapshot writes and reads the snapshot of 100,000 tasks.
func BenchmarkSnapshot(b *testing.B) {
	s := fillCluster(b, 100_000)
	var buf bytes.Buffer
	b.Run("write", func(b *testing.B) {
		for b.Loop() {
			if err := s.View().Snapshot(io.Discard); err != nil {
				b.Fatal(err)
			}
		}
	})
	if err := s.View().Snapshot(&buf); err != nil {
		b.Fatal(err)
	}
	b.Run("read", func(b *testing.B) {
		b.SetBytes(int64(buf.Len()))
		for b.Loop() {
			if err := New().Restore(bytes.NewReader(buf.Bytes())); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkCreate makes tasks, one after the other or as many to a batch as stages and peers write, the trip through the log's
// form told in.
func BenchmarkCreate(b *testing.B) {
	for _, size := range []int{1, 200} {
		b.Run(map[int]string{1: "batch=1", 200: "batch=200"}[size], func(b *testing.B) {
			r := rand.NewChaCha8([32]byte{1})
			s, index, made := New(), uint64(0), 0
			svc := &model.Service{ID: drawID(r), Revision: drawID(r)}
			for b.Loop() {
				batch := &Batch{Writer: WriterOrchestrator}
				for range size {
					made++
					batch.Changes = append(batch.Changes, Tasks.Put(&model.Task{ID: drawID(r), ServiceID: svc.ID, Revision: svc.Revision, Slot: uint64(made),
						Desired: model.StateRunning, Reason: model.ReasonCreated}))
				}
				index++
				raw, err := EncodeEntry(Entry{Time: int64(index), Batch: batch})
				if err != nil {
					b.Fatal(err)
				}
				e, err := DecodeEntry(raw)
				if err != nil {
					b.Fatal(err)
				}
				if err := s.Apply(index, e); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(made)/b.Elapsed().Seconds(), "tasks/s")
		})
	}
}
