package dispatcher

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
	"google.golang.org/protobuf/proto"
)

// BenchmarkFabric is a network of 1,000 services with 10 tasks each on 100 nodes: all of it for a session that begins,
// and one task that stops running, which all of the nodes are told.
func BenchmarkFabric(b *testing.B) {
	const nodes, services, tasks = 100, 1000, 10
	s := store.New()
	now := time.Unix(1000, 0)
	direct := store.Direct{Store: s, Now: func() time.Time { return now }}
	write := func(w store.Writer, changes ...store.Change) {
		if _, _, err := direct.Commit(&store.Batch{Writer: w, Changes: changes}).Result(); err != nil {
			b.Fatal(err)
		}
	}
	front := id("w1")
	write(store.WriterInit, store.Clusters.Put(&model.Cluster{ID: id("k1"), Epoch: 1}))
	write(store.WriterAPI, store.Networks.Put(&model.Network{ID: front, Name: "front", Spec: model.DocOf(swarm.NetworkSpec{})}))
	write(store.WriterAllocator, store.Allocations.Put(&model.Allocation{Owner: front, Kind: model.AllocNetwork, Done: true, VNI: 4097}))
	addr := func(n int) []model.NetworkAddr {
		return []model.NetworkAddr{{NetworkID: front, Addr: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 1, byte(n >> 8), byte(n)}), 16)}}
	}
	for i := range services {
		svc, rev := model.NumID(uint64(1<<20+i)), model.NumID(uint64(2<<20+i))
		spec := swarm.ServiceSpec{Annotations: swarm.Annotations{Name: fmt.Sprintf("service%d", i)}}
		spec.TaskTemplate.Networks = []swarm.NetworkAttachmentConfig{{Target: front.String()}}
		write(store.WriterAPI, store.Services.Put(&model.Service{ID: svc, Name: spec.Name, Revision: rev}),
			store.Revisions.Put(&model.ServiceRevision{ID: rev, ServiceID: svc, Spec: model.DocOf(spec)}))
		write(store.WriterAllocator, store.Allocations.Put(&model.Allocation{Owner: svc, Kind: model.AllocService, Done: true, Networks: addr(20000 + i)}))
		for j := range tasks {
			n := i*tasks + j
			t := model.NumID(uint64(3<<20 + n))
			write(store.WriterOrchestrator, store.Tasks.Put(&model.Task{ID: t, ServiceID: svc, Revision: rev, Slot: uint64(j + 1), Desired: model.StateRunning}))
			write(store.WriterAllocator, store.Allocations.Put(&model.Allocation{Owner: t, Kind: model.AllocTask, Done: true, Networks: addr(n)}))
			write(store.WriterScheduler, store.Placements.Put(&model.Placement{TaskID: t, NodeID: model.NumID(uint64(1000 + n%nodes))}))
			write(store.WriterDispatcher, store.Statuses.Put(&model.TaskStatus{TaskID: t, State: model.StateRunning}))
		}
	}
	m := New(s, &direct)
	join := func(n int) SessionID {
		node := model.NumID(uint64(1000 + n))
		sid := m.Open(node, "192.0.2.1")
		m.Deliver(now, sid, wire.FromHello(&wire.Hello{NodeId: wire.Bytes(node), Description: []byte(`{}`)}))
		return sid
	}
	step := func() (fabric []*wire.Fabric) {
		out, _, err := m.Step(now)
		if err != nil {
			b.Fatal(err)
		}
		for _, e := range out {
			if f := e.Msg.GetFabric(); f != nil {
				fabric = append(fabric, f)
			}
		}
		return fabric
	}
	for n := range nodes {
		write(store.WriterAPI, store.NodeSpecs.Put(&model.NodeSpec{ID: model.NumID(uint64(1000 + n))}))
		join(n)
	}
	for range 3 {
		step()
	}
	b.Run("full", func(b *testing.B) {
		bytes := 0
		for b.Loop() {
			m.fabric.overlays[front].whole = nil
			join(0)
			bytes = 0
			for _, f := range step() {
				if f.Full || bytes > 0 {
					bytes += proto.Size(f)
				}
			}
		}
		b.ReportMetric(float64(bytes), "bytes")
	})
	b.Run("change", func(b *testing.B) {
		bytes, task := 0, model.NumID(3<<20)
		state, other := model.StateStarting, model.StateRunning
		for b.Loop() {
			write(store.WriterDispatcher, store.Statuses.Put(&model.TaskStatus{TaskID: task, State: state}))
			told := step()
			if len(told) != nodes {
				b.Fatalf("%d nodes were told", len(told))
			}
			bytes = proto.Size(told[0])
			state, other = other, state
		}
		b.ReportMetric(float64(bytes), "bytes")
	})
}
