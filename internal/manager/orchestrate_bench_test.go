package manager

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/manager/allocator"
	"github.com/skep-org/skep/internal/manager/orchestrator"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// perService is the number of tasks of each service, perNode that of each node.
const perService, perNode = 1000, 10

// BenchmarkOrchestrate has orchestrator and allocator answer what happens in a cluster of running tasks: what it costs each of
// them from the change to their rows, and a new leader's first look. No cost but the last may grow with the cluster.
func BenchmarkOrchestrate(b *testing.B) {
	for _, services := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("services=%d/tasks=%d", services, services*perService), func(b *testing.B) {
			if services > 100 && !*large {
				b.Skip("takes minutes and gigabytes: -manager.large runs it")
			}
			full := runningCluster(b, services).View()
			began := time.Now()
			newTerm(b, full.Fork())
			b.ReportMetric(time.Since(began).Seconds(), "s/takeover")
			for name, happens := range map[string]func(*term, int){
				"a-task-fails": (*term).taskFails, "one-replica-more": (*term).oneMore, "service-removed": (*term).serviceGoes, "node-down": (*term).nodeGoes,
			} {
				b.Run(name, func(b *testing.B) { answer(b, full, services, happens) })
			}
		})
	}
}

// answer times what the stages do about one change after the other.
func answer(b *testing.B, full store.View, services int, happens func(*term, int)) {
	t := newTerm(b, full.Fork())
	b.ResetTimer()
	for i := range b.N {
		b.StopTimer()
		if i > 0 && i%services == 0 {
			t2 := newTerm(b, full.Fork())
			t2.took, t2.rows = t.took, t.rows
			t = t2
		}
		happens(t, i%services)
		b.StartTimer()
		t.settle()
	}
	for i, name := range []string{"orchestrator", "allocator"} {
		b.ReportMetric(float64(t.took[i].Microseconds())/float64(b.N), "µs/"+name)
	}
	b.ReportMetric(float64(t.rows)/float64(b.N), "rows/op")
}

// term is the first two stages of a leader's term.
type term struct {
	b     *testing.B
	s     *store.Store
	loops [2]*control.Loop
	took  [2]time.Duration
	rows  uint64
}

func newTerm(b *testing.B, s *store.Store) *term {
	e := env.Real()
	t := &term{b: b, s: s}
	for i, p := range []control.Planner{orchestrator.New(func() model.ID { return e.NewID() }), allocator.New()} {
		t.loops[i] = control.NewLoop(p, s, store.Direct{Store: s, Now: time.Now}, e)
	}
	t.settle()
	t.took, t.rows = [2]time.Duration{}, 0
	return t
}

// settle steps both until neither writes any more.
func (t *term) settle() {
	for before := uint64(0); before != t.s.View().Index(); {
		before = t.s.View().Index()
		for i, l := range t.loops {
			began := time.Now()
			if _, err := l.Step(began); err != nil {
				t.b.Fatal(err)
			}
			t.took[i] += time.Since(began)
		}
		events, _, _ := t.s.Events(before)
		t.rows += uint64(len(events))
	}
}

func (t *term) write(w store.Writer, changes ...store.Change) {
	writeAs(t.b, t.s, w, changes)
}

func writeAs(b *testing.B, s *store.Store, w store.Writer, changes []store.Change) {
	b.Helper()
	for _, part := range control.Split(changes) {
		if _, _, err := (store.Direct{Store: s, Now: time.Now}).Commit(&store.Batch{Writer: w, Changes: part}).Result(); err != nil {
			b.Fatal(err)
		}
	}
}

// nth is the service of a number, in the order of ids.
func (t *term) nth(i int) *model.Service {
	for svc := range store.Services.From(t.s.View(), model.KeyOf(serviceID(i))) {
		return svc
	}
	t.b.Fatalf("there is no service %d", i)
	return nil
}

func (t *term) taskFails(i int) {
	for task := range store.TasksOf(t.s.View(), t.nth(i).ID) {
		t.write(store.WriterDispatcher, store.Statuses.Put(&model.TaskStatus{TaskID: task.ID, State: model.StateFailed, At: time.Now().UnixNano(), ExitCode: 1}))
		return
	}
}

func (t *term) oneMore(i int) {
	svc := *t.nth(i)
	spec := *store.Revisions.ByID(t.s.View(), svc.Revision).Spec.Get()
	n := *spec.Mode.Replicated.Replicas + 1
	spec.Mode.Replicated = &swarm.ReplicatedService{Replicas: &n}
	rev := *store.Revisions.ByID(t.s.View(), svc.Revision)
	rev.ID, rev.Spec = model.ID(env.Real().NewID()), model.DocOf(spec)
	svc.Previous, svc.Revision = svc.Revision, rev.ID
	t.write(store.WriterAPI, store.Revisions.Put(&rev), store.Services.Put(&svc))
}

func (t *term) serviceGoes(i int) { t.write(store.WriterAPI, store.Services.Delete(t.nth(i).Key())) }

func (t *term) nodeGoes(i int) {
	n := *store.NodeStates.ByID(t.s.View(), nodeID(i))
	n.State, n.Since = model.ReachDown, time.Now().UnixNano()
	t.write(store.WriterDispatcher, store.NodeStates.Put(&n))
}

func serviceID(i int) model.ID { return model.NumID(uint64(i + 1)) }
func nodeID(i int) model.ID    { return model.NumID(uint64(i+1) << 32) }

var benchNetwork = model.NumID(1 << 60)

// runningCluster has its tasks made by the stages, and says that they run.
func runningCluster(b *testing.B, services int, on ...swarm.NetworkAttachmentConfig) *store.Store {
	b.Helper()
	s := store.New()
	if len(on) > 0 {
		spec := swarm.NetworkSpec{Annotations: swarm.Annotations{Name: "n"}, DriverConfiguration: &swarm.Driver{Name: "overlay"},
			IPAMOptions: &swarm.IPAMOptions{Configs: []swarm.IPAMConfig{{Subnet: netip.MustParsePrefix("10.0.0.0/8")}}}}
		writeAs(b, s, store.WriterAPI, []store.Change{
			store.Clusters.Put(&model.Cluster{ID: model.NumID(1 << 61)}),
			store.Networks.Put(&model.Network{ID: benchNetwork, Name: "n", Spec: model.DocOf(spec)}),
		})
	}
	var nodes, states, revisions []store.Change
	for i := range services * perService / perNode {
		spec := swarm.NodeSpec{Availability: swarm.NodeAvailabilityActive, Role: swarm.NodeRoleWorker}
		nodes = append(nodes, store.NodeSpecs.Put(&model.NodeSpec{ID: nodeID(i), Spec: model.DocOf(spec)}))
		d := swarm.NodeDescription{Hostname: fmt.Sprintf("node-%d", i), Platform: swarm.Platform{OS: "linux", Architecture: "x86_64"}}
		states = append(states, store.NodeStates.Put(&model.NodeState{ID: nodeID(i), State: model.ReachReady, Description: model.DocOf(d)}))
	}
	for i := range services {
		n := uint64(perService)
		spec := swarm.ServiceSpec{Annotations: swarm.Annotations{Name: fmt.Sprintf("service-%d", i)}}
		spec.Mode.Replicated = &swarm.ReplicatedService{Replicas: &n}
		spec.TaskTemplate.Networks = on
		spec.TaskTemplate.ContainerSpec = &swarm.ContainerSpec{Image: "registry.example.org/web:1"}
		svc := &model.Service{ID: serviceID(i), Name: spec.Name, Revision: model.ID(env.Real().NewID())}
		revisions = append(revisions, store.Services.Put(svc), store.Revisions.Put(&model.ServiceRevision{ID: svc.Revision, ServiceID: svc.ID, Spec: model.DocOf(spec)}))
	}
	writeAs(b, s, store.WriterAPI, append(nodes, revisions...))
	writeAs(b, s, store.WriterDispatcher, states)
	newTerm(b, s)
	var placements, statuses []store.Change
	i := 0
	for task := range store.Tasks.All(s.View()) {
		placements = append(placements, store.Placements.Put(&model.Placement{TaskID: task.ID, NodeID: nodeID(i % len(states))}))
		statuses = append(statuses, store.Statuses.Put(&model.TaskStatus{TaskID: task.ID, State: model.StateRunning, At: time.Now().UnixNano()}))
		i++
	}
	if i != services*perService {
		b.Fatalf("%d tasks were made", i)
	}
	writeAs(b, s, store.WriterScheduler, placements)
	writeAs(b, s, store.WriterDispatcher, statuses)
	newTerm(b, s) // promotes what is to run
	return s
}
