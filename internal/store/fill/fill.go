package fill

import (
	"fmt"
	"strings"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// atOnce is how many rows go into a batch.
const atOnce = 10_000

// Filler writes rows in batches.
type Filler struct {
	store   *store.Store
	id      func() [16]byte
	waiting map[store.Writer][]store.Change
	rows    int
	err     error
}

// New returns a Filler that draws ids from id.
func New(s *store.Store, id func() [16]byte) *Filler {
	return &Filler{store: s, id: id, waiting: map[store.Writer][]store.Change{}}
}

// Write has rows written, as one writer.
func (f *Filler) Write(w store.Writer, c ...store.Change) {
	f.waiting[w] = append(f.waiting[w], c...)
	if f.rows += len(c); f.rows >= atOnce {
		_ = f.Flush() // kept
	}
}

// Flush writes what waits, upstream rows first, and returns what has gone wrong since the beginning.
func (f *Filler) Flush() error {
	for _, w := range []store.Writer{
		store.WriterAPI, store.WriterIdentity, store.WriterDispatcher, store.WriterOrchestrator, store.WriterAllocator, store.WriterScheduler,
	} {
		if len(f.waiting[w]) == 0 || f.err != nil {
			continue
		}
		index := f.store.View().Index() + 1
		if err := f.store.Apply(index, store.Entry{Time: int64(index), Batch: &store.Batch{Writer: w, Changes: f.waiting[w]}}); err != nil {
			f.err = fmt.Errorf("filling the store as the %s: %w", w, err)
		}
	}
	clear(f.waiting)
	f.rows = 0
	return f.err
}

// Description is the i-th node's, of the shape that swarmkit's benchmarks have: every third has one more plugin, of which a
// task may ask for the log driver.
func Description(i int) swarm.NodeDescription {
	d := swarm.NodeDescription{Hostname: fmt.Sprintf("node-%d", i), Platform: swarm.Platform{OS: "linux", Architecture: "x86_64"},
		Resources: swarm.Resources{NanoCPUs: 64e9, MemoryBytes: 256 << 30}}
	d.Engine.EngineVersion = "20.10.24"
	plugins := []string{"Log/json-file", "Log/journald", "Network/bridge", "Network/overlay", "Volume/local"}
	if i%3 == 0 {
		plugins = append(plugins, "Log/"+ExtraLog)
	}
	for _, p := range plugins {
		kind, name, _ := strings.Cut(p, "/")
		d.Engine.Plugins = append(d.Engine.Plugins, swarm.PluginDescription{Type: kind, Name: name})
	}
	return d
}

// ExtraLog is the log driver that every third node has.
const ExtraLog = "extra"

// Node writes the i-th node, a worker that is up, in one of ten zones.
func (f *Filler) Node(i int, d swarm.NodeDescription) model.ID {
	id := model.ID(f.id())
	spec := swarm.NodeSpec{Availability: swarm.NodeAvailabilityActive, Role: swarm.NodeRoleWorker}
	spec.Labels = map[string]string{"zone": fmt.Sprintf("z%d", i%10)}
	f.Write(store.WriterAPI, store.NodeSpecs.Put(&model.NodeSpec{ID: id, Spec: model.DocOf(spec)}))
	f.Write(store.WriterIdentity, store.NodeIdentities.Put(&model.NodeIdentity{ID: id, KeyDigest: id[:]}))
	f.Write(store.WriterDispatcher, store.NodeStates.Put(&model.NodeState{ID: id, State: model.ReachReady, Description: model.DocOf(d)}))
	return id
}

// Service writes a service and its revision.
func (f *Filler) Service(spec swarm.ServiceSpec) *model.Service {
	svc := &model.Service{ID: f.id(), Name: spec.Name, Revision: f.id()}
	rev := &model.ServiceRevision{ID: svc.Revision, ServiceID: svc.ID, Spec: model.DocOf(spec)}
	f.Write(store.WriterAPI, store.Services.Put(svc), store.Revisions.Put(rev))
	return svc
}

// Task writes a task that has all it needs but a node.
func (f *Filler) Task(svc *model.Service, slot uint64) *model.Task {
	t := &model.Task{ID: f.id(), ServiceID: svc.ID, Revision: svc.Revision, Slot: slot, Desired: model.StateRunning, Reason: model.ReasonCreated}
	f.Write(store.WriterOrchestrator, store.Tasks.Put(t))
	f.Write(store.WriterAllocator, store.Allocations.Put(&model.Allocation{Owner: t.ID, Kind: model.AllocTask, Done: true}))
	return t
}

// Running writes a task that runs on a node.
func (f *Filler) Running(svc *model.Service, slot uint64, node model.ID) *model.Task {
	t := f.Task(svc, slot)
	f.Write(store.WriterScheduler, store.Placements.Put(&model.Placement{TaskID: t.ID, NodeID: node}))
	status := &model.TaskStatus{TaskID: t.ID, State: model.StateRunning, At: 1, PID: 4711}
	copy(status.Container[:], t.ID[:])
	f.Write(store.WriterDispatcher, store.Statuses.Put(status))
	return t
}
