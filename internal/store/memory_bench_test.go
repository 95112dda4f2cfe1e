package store

import (
	"bytes"
	"flag"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/skep-org/skep/internal/model"
)

var large = flag.Bool("store.large", false, "run the benchmarks of a million tasks, which take a minute and gigabytes")

// BenchmarkStoreMemory reports what a million running tasks take, services, nodes and the change feed told in; how long their
// snapshot takes, and to restore it; and how long a write waits at most beside the snapshot, and as long without one: the
// collector and whatever else runs on the machine make it wait too.
func BenchmarkStoreMemory(b *testing.B) {
	const n = 1_000_000
	if !*large {
		b.Skip("takes a minute and gigabytes: -store.large runs it; BenchmarkMemoryPerTask is of 100,000 tasks")
	}
	for b.Loop() {
		debug.FreeOSMemory()
		before := liveHeap()
		s := fillCluster(b, n)
		b.ReportMetric((liveHeap()-before)/n, "heapB/task")

		var buf bytes.Buffer
		var took time.Duration
		wait := writesBeside(b, s, func() { took = timed(b, func() error { return s.View().Snapshot(&buf) }) })
		b.ReportMetric(took.Seconds(), "s/snapshot")
		b.ReportMetric(wait.Seconds()*1000, "ms/write-max")
		wait = writesBeside(b, s, func() { time.Sleep(took) })
		b.ReportMetric(wait.Seconds()*1000, "ms/write-max-alone")
		b.ReportMetric(float64(buf.Len())/n, "snapshotB/task")

		restored := New()
		took = timed(b, func() error { return restored.Restore(bytes.NewReader(buf.Bytes())) })
		b.ReportMetric(took.Seconds(), "s/restore")
		if got := Tasks.Len(restored.View()); got != n {
			b.Fatalf("%d tasks were restored", got)
		}
	}
}

func liveHeap() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

func timed(b *testing.B, f func() error) time.Duration {
	began := time.Now()
	if err := f(); err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}

// writesBeside writes one status after the other while f runs, and returns how long the slowest of them took.
func writesBeside(b *testing.B, s *Store, f func()) (slowest time.Duration) {
	done := make(chan struct{})
	go func() { f(); close(done) }()
	v := s.View()
	for t := range Tasks.All(v) {
		time.Sleep(100 * time.Microsecond) // a manager is not kept busy by its writes
		select {
		case <-done:
			return slowest
		default:
		}
		index := s.View().Index() + 1
		batch := &Batch{Writer: WriterDispatcher, Changes: []Change{Statuses.Put(&model.TaskStatus{TaskID: t.ID, State: model.StateRunning})}}
		slowest = max(slowest, timed(b, func() error { return s.Apply(index, Entry{Time: int64(index), Batch: batch}) }))
	}
	<-done
	return slowest
}
