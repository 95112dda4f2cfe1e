package manager

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/store"
)

// BenchmarkTermMemory reports the live heap of a running task with everything told in: its rows, an address on an overlay network
// and the index of it, its share of services and nodes, and what the planners of a leader's term keep of it.
func BenchmarkTermMemory(b *testing.B) {
	for _, services := range []int{100, 1000} {
		tasks := services * perService
		b.Run(fmt.Sprintf("tasks=%d", tasks), func(b *testing.B) {
			if services > 100 && !*large {
				b.Skip("takes minutes and gigabytes: -manager.large runs it")
			}
			for b.Loop() {
				before := settledHeap()
				s := runningCluster(b, services, swarm.NetworkAttachmentConfig{Target: benchNetwork.String()})
				now := settledHeap()
				b.ReportMetric((now-before)/float64(tasks), "storeB/task")
				total, e := now-before, env.Real()
				planners := Planners(e)
				for _, p := range planners {
					l := control.NewLoop(p, s, store.Direct{Store: s, Now: time.Now}, e)
					for range 3 {
						if _, err := l.Step(time.Now()); err != nil {
							b.Fatal(err)
						}
					}
					after := settledHeap()
					if kept := (after - now) / float64(tasks); kept > 1 {
						b.ReportMetric(kept, p.Name()+"B/task")
					}
					total, now = total+after-now, after
					runtime.KeepAlive(l)
				}
				b.ReportMetric(total/float64(tasks), "heapB/task")
				runtime.KeepAlive(planners)
				runtime.KeepAlive(s)
			}
		})
	}
}

func settledHeap() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}
