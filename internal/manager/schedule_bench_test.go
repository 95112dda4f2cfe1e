package manager

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/manager/scheduler"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/store/fill"
	"github.com/skep-org/skep/internal/store/raft"
)

var large = flag.Bool("manager.large", false, "run the benchmarks that take a minute and gigabytes too")

// shape is one size of cluster and of what waits in it.
type shape struct {
	nodes, tasks int
	perService   int  // 1: each task is a service of its own, and a decision of its own
	constraints  bool // each service asks for the plugin that a third of the nodes have, and for one of ten zones
	large        bool
}

func (s shape) String() string {
	name := fmt.Sprintf("nodes=%d/tasks=%d", s.nodes, s.tasks)
	if s.constraints {
		name += "/constraints"
	}
	if s.perService > 1 {
		name += "/grouped"
	}
	return name
}

// BenchmarkSchedule has the scheduler's stage place tasks that wait, through the store, its batches and their form in the log,
// from a new leader's first look until the last task has a node. What they need is written before: nodes, each third of
// them with one more plugin, and services with tasks that are allocated.
func BenchmarkSchedule(b *testing.B) {
	for _, s := range []shape{
		{nodes: 1000, tasks: 1000, perService: 1},
		{nodes: 1000, tasks: 10_000, perService: 1},
		{nodes: 1000, tasks: 100_000, perService: 1},
		{nodes: 1000, tasks: 100_000, perService: 1000},
		{nodes: 5000, tasks: 100_000, perService: 1, constraints: true, large: true},
		{nodes: 100_000, tasks: 1000, perService: 1, large: true},
		{nodes: 100_000, tasks: 100_000, perService: 1, large: true},
		{nodes: 100_000, tasks: 100_000, perService: 1000, large: true},
		{nodes: 100_000, tasks: 1_000_000, perService: 1, large: true},
		{nodes: 100_000, tasks: 1_000_000, perService: 1000, large: true},
	} {
		b.Run(s.String(), func(b *testing.B) { s.bench(b) })
	}
}

func (s shape) bench(b *testing.B) {
	if s.large && !*large {
		b.Skip("takes up to a minute and gigabytes: -manager.large runs it")
	}
	full := s.fill(b).View()
	debug.FreeOSMemory()
	b.ResetTimer()
	var heap, cpu float64
	for range b.N {
		before := cpuSeconds()
		st := full.Fork()
		s.schedule(b, st)
		cpu += cpuSeconds() - before
		b.StopTimer()
		heap = max(heap, mappedHeap())
		s.check(b, st.View())
		b.StartTimer()
	}
	b.ReportMetric(float64(s.tasks*b.N)/b.Elapsed().Seconds(), "tasks/s")
	b.ReportMetric(cpu/float64(b.N), "cpu-s/op")
	b.ReportMetric(heap/1e6, "MB")
}

// mappedHeap is what the runtime has of the machine's memory, what it would give back if asked left out.
func mappedHeap() float64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.Sys - m.HeapReleased)
}

// cpuSeconds is the processor time the process has taken: on a machine that does other things too it says more than a clock.
func cpuSeconds() float64 {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano()).Seconds()
}

// schedule runs the stage until every task has a node.
func (s shape) schedule(b *testing.B, st *store.Store) {
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	e := env.Real()
	entries := make(chan []byte, 1024)
	r, err := NewReplicated(st, e, slog.New(slog.DiscardHandler), func(raw []byte) error { entries <- raw; return nil })
	if err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- control.NewLoop(scheduler.New(), st, r, e).Run(ctx) }()
	for store.Placements.Len(st.View()) < s.tasks {
		select {
		case raw := <-entries:
			index := st.View().Index() + 1
			r.Apply([]raft.Entry{{Index: index, Data: raw}}, index)
		case err := <-ended:
			b.Fatal(err)
		}
	}
	stop()
	for {
		select {
		case <-entries:
		case err := <-ended:
			if !errors.Is(err, context.Canceled) {
				b.Fatal(err)
			}
			return
		}
	}
}

// check holds the outcome against what was asked: every task has a node, and all nodes that may have as many as the others.
func (s shape) check(b *testing.B, v store.View) {
	on := map[model.ID]int{}
	for p := range store.Placements.All(v) {
		if p.NodeID.IsZero() {
			b.Fatalf("a task waits: %s", p.Err)
		}
		on[p.NodeID]++
	}
	if s.constraints {
		return // zones are of different sizes
	}
	for id, n := range on {
		if least := s.tasks / s.nodes; n < least || n > least+1 {
			b.Fatalf("node %s has %d tasks of %d on %d nodes", id, n, s.tasks, s.nodes)
		}
	}
}

// fill writes the nodes, and the tasks that wait with what they need.
func (s shape) fill(b *testing.B) *store.Store {
	b.Helper()
	st := store.New()
	f := fill.New(st, env.Seeded(1, env.Real().Clock).NewID)
	for i := range s.nodes {
		f.Node(i, fill.Description(i))
	}
	for i := range s.tasks / s.perService {
		svc := f.Service(s.spec(i))
		for slot := range s.perService {
			f.Task(svc, uint64(slot+1))
		}
	}
	if err := f.Flush(); err != nil {
		b.Fatal(err)
	}
	return st
}

// spec is the i-th service's.
func (s shape) spec(i int) (spec swarm.ServiceSpec) {
	spec.Name = fmt.Sprintf("service-%d", i)
	task := &spec.TaskTemplate
	task.ContainerSpec = &swarm.ContainerSpec{Image: "registry.example.org/web:1"}
	task.Resources = &swarm.ResourceRequirements{Reservations: &swarm.Resources{NanoCPUs: 1e6, MemoryBytes: 1 << 20}}
	if s.constraints {
		task.LogDriver = &swarm.Driver{Name: fill.ExtraLog}
		task.Placement = &swarm.Placement{Constraints: []string{fmt.Sprintf("node.labels.zone!=z%d", i%10)}}
	}
	return spec
}
