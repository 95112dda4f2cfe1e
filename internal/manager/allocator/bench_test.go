package allocator

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

const benchServices, benchTasks = 1000, 10

// scattered is the n-th id of a kind; like drawn ids they come in no order.
func scattered(kind byte, n int) model.ID {
	var id model.ID
	binary.BigEndian.PutUint64(id[:], uint64(n+1)*0x9e3779b97f4a7c15)
	id[14], id[15] = kind, 1
	return id
}

// busy is a store with a thousand services of ten tasks each on one /16, and everything a planner has to give.
func busy(b *testing.B) (*store.Store, []control.Key) {
	s := store.New()
	write := func(by store.Writer, changes ...store.Change) {
		for _, part := range control.Split(changes) {
			index := s.View().Index() + 1
			if err := s.Apply(index, store.Entry{Time: int64(index), Batch: &store.Batch{Writer: by, Changes: part}}); err != nil {
				b.Fatal(err)
			}
		}
	}
	network := scattered('n', 0)
	spec := swarm.NetworkSpec{IPAMOptions: &swarm.IPAMOptions{Configs: []swarm.IPAMConfig{{Subnet: netip.MustParsePrefix("10.1.0.0/16")}}}}
	asked := []store.Change{
		store.Clusters.Put(&model.Cluster{ID: scattered('c', 0)}),
		store.Networks.Put(&model.Network{ID: network, Name: "n", Spec: model.DocOf(spec)}),
	}
	var tasks []store.Change
	for i := range benchServices {
		svc := &model.Service{ID: scattered('s', i), Name: fmt.Sprint("s", i), Revision: scattered('r', i)}
		spec := swarm.ServiceSpec{}
		spec.TaskTemplate.Networks = []swarm.NetworkAttachmentConfig{{Target: network.String()}}
		asked = append(asked, store.Revisions.Put(&model.ServiceRevision{ID: svc.Revision, ServiceID: svc.ID, Spec: model.DocOf(spec)}), store.Services.Put(svc))
		for j := range benchTasks {
			tasks = append(tasks, store.Tasks.Put(&model.Task{
				ID: scattered('t', i*benchTasks+j), ServiceID: svc.ID, Revision: svc.Revision, Desired: model.StateRunning, Slot: uint64(j + 1),
			}))
		}
	}
	write(store.WriterAPI, asked...)
	write(store.WriterOrchestrator, tasks...)
	return s, New().All(s.View())
}

func planned(b *testing.B, s *store.Store, keys []control.Key, rows int) control.Result {
	res, err := New().Plan(s.View(), keys, time.Unix(100, 0))
	if err != nil || len(res.Changes) != rows {
		b.Fatalf("%d rows were planned, %d expected (%v)", len(res.Changes), rows, err)
	}
	return res
}

// BenchmarkPlan allocates 1,000 services of 10 tasks each on one /16; then, with all of that in place, it has a new
// leader look at everything, one task replace another, the same with a search that starts where thousands of addresses
// are in use, and the addresses in use counted, which is what every plan would have to do without the store's index of
// them. On two cores that were busy with other work:
//
//	all                       180 ms  26 MiB
//	takeover                  115 ms  25 MiB
//	one task                   19 µs   7 KiB
//	one task, a long search   540 µs   7 KiB
//	usage                     300 µs   1 KiB
func BenchmarkPlan(b *testing.B) {
	s, keys := busy(b)
	all := benchServices*(benchTasks+1) + 2
	b.Run("all", func(b *testing.B) {
		for b.Loop() {
			planned(b, s, keys, all)
		}
	})
	apply := func(changes []store.Change, by store.Writer) {
		for _, part := range control.Split(changes) {
			index := s.View().Index() + 1
			if err := s.Apply(index, store.Entry{Time: int64(index), Batch: &store.Batch{Writer: by, Changes: part}}); err != nil {
				b.Fatal(err)
			}
		}
	}
	apply(planned(b, s, keys, all).Changes, store.WriterAllocator)
	b.Run("takeover", func(b *testing.B) {
		for b.Loop() {
			planned(b, s, New().All(s.View()), 0)
		}
	})
	// One task has failed, its replacement is new.
	failed := scattered('t', 4711)
	old := store.Tasks.ByID(s.View(), failed)
	fresh := *old
	fresh.ID = scattered('t', 1_000_000)
	apply([]store.Change{store.Tasks.Put(&fresh)}, store.WriterOrchestrator)
	apply([]store.Change{store.Statuses.Put(&model.TaskStatus{TaskID: failed, State: model.StateFailed})}, store.WriterDispatcher)
	one := []control.Key{owner(model.AllocTask, failed), owner(model.AllocTask, fresh.ID), {Kind: kindTasks, Key: model.KeyOf(old.ServiceID)}}
	b.Run("one task", func(b *testing.B) {
		for b.Loop() {
			planned(b, s, one, 3)
		}
	})
	first := store.Cursors.ByID(s.View(), scattered('n', 0))
	wrapped := *first
	wrapped.Next = netip.MustParseAddr("10.1.0.2")
	apply([]store.Change{store.Cursors.Put(&wrapped)}, store.WriterAllocator)
	b.Run("one task, a long search", func(b *testing.B) {
		for b.Loop() {
			planned(b, s, one, 3)
		}
	})
	b.Run("usage", func(b *testing.B) {
		for b.Loop() {
			planned(b, s, []control.Key{{Kind: kindUsage, Key: model.KeyOf(scattered('n', 0))}}, 0)
		}
	})
}
