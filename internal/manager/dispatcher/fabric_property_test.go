package dispatcher

import (
	"fmt"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
	"pgregory.net/rapid"
)

const (
	testNodes    = 4
	testNetworks = 4 // the last one is the ingress network
	testServices = 3
	testTasks    = 8
)

// TestFabric: whatever changes and whoever leads, the sum of what each node was told is what a leader that begins would
// tell it; a node is told of no network that it has nothing on; and no task is told to stop while a connected node that
// answers balances to it, but after two seconds.
func TestFabric(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f := newFleet(t, rt, testNodes)
		f.few = rapid.SampledFrom([]int{2, fewNodes}).Draw(rt, "few nodes")
		f.m.fabric.few = f.few
		f.revisions()
		for _, p := range f.peers {
			f.connect(p)
		}
		f.run()
		actions := map[string]func(*rapid.T){}
		for name, do := range f.actions() {
			actions[name] = func(rt *rapid.T) {
				f.rt = rt
				do()
				if rapid.Bool().Draw(rt, "step") {
					f.run()
				}
			}
		}
		actions[""] = func(rt *rapid.T) {
			f.rt = rt
			f.run()
			f.check()
		}
		rt.Repeat(actions)
	})
}

// revisions writes three revisions of each service, on different networks.
func (f *fleet) revisions() {
	for s := 1; s <= testServices; s++ {
		for r := 1; r <= 3; r++ {
			spec := swarm.ServiceSpec{Annotations: swarm.Annotations{Name: fmt.Sprintf("svc%d", s)}}
			for n := 1; n < testNetworks; n++ {
				if (r+s)&n != 0 {
					spec.TaskTemplate.Networks = append(spec.TaskTemplate.Networks, swarm.NetworkAttachmentConfig{
						Target: id(fmt.Sprintf("w%d", n)).String(), Aliases: []string{fmt.Sprintf("alias%d", r)},
					})
				}
			}
			f.write(f.t, store.WriterAPI, store.Revisions.Put(&model.ServiceRevision{
				ID: revisionID(s, r), ServiceID: id(fmt.Sprintf("v%d", s)), Spec: model.DocOf(spec),
			}))
		}
	}
}

func revisionID(service, n int) model.ID { return id(fmt.Sprintf("r%d", 10*service+n)) }

func (f *fleet) draw(label string, most int) int {
	return rapid.IntRange(1, most).Draw(f.rt, label)
}

func (f *fleet) chance(label string) bool { return rapid.IntRange(0, 3).Draw(f.rt, label) == 0 }

func (f *fleet) peer() *peer { return f.peers[f.draw("node", len(f.peers))-1] }

func (f *fleet) actions() map[string]func() {
	return map[string]func(){
		"network": f.drawNetwork, "network number": f.drawSubnet, "service": f.drawService, "service address": f.drawVIP,
		"task": f.drawTask, "stop": f.drawStop, "task address": f.drawAddress, "place": f.drawPlacement, "report": f.drawReport,
		"report running": f.drawRunning, "node address": f.drawNode, "guests": f.drawGuests, "guest address": f.drawGuestAddress,
		"remove": f.drawRemoval,
		"answer": func() { f.answer(f.peer(), f.draw("messages", 5)) },
		"answers": func() {
			for _, p := range f.peers {
				f.answer(p, len(p.queue))
			}
		},
		"connect":    func() { f.connect(f.peer()) },
		"disconnect": func() { f.disconnect(f.peer()) },
		"leader": func() {
			for _, p := range f.peers {
				f.disconnect(p)
			}
			f.m = New(f.store, f)
			f.m.fabric.partSize, f.m.fabric.few = 300, f.few
		},
		"fall behind": func() { f.m.started = false },
		"time": func() {
			for range f.draw("ticks", 20) {
				f.now = f.now.Add(250 * time.Millisecond)
				f.run()
			}
		},
	}
}

func (f *fleet) put(w store.Writer, c store.Change) { f.write(f.t, w, c) }

func (f *fleet) drawNetwork() {
	n := f.draw("network", testNetworks)
	name := fmt.Sprintf("w%d", n)
	if f.chance("remove it") {
		f.put(store.WriterAPI, store.Networks.Delete(model.KeyOf(id(name))))
		return
	}
	spec := swarm.NetworkSpec{Attachable: true, Ingress: n == testNetworks}
	f.put(store.WriterAPI, store.Networks.Put(&model.Network{ID: id(name), Name: name, Spec: model.DocOf(spec)}))
}

func (f *fleet) drawSubnet() {
	n := f.draw("network", testNetworks)
	owner := id(fmt.Sprintf("w%d", n))
	if f.chance("remove it") {
		f.put(store.WriterAllocator, store.Allocations.Delete(model.KeyOf(owner)))
		return
	}
	a := &model.Allocation{Owner: owner, Kind: model.AllocNetwork, Done: true, VNI: uint32(4096 + n)}
	a.Networks = []model.NetworkAddr{{NetworkID: owner, Addr: addrOf(n, 0), Gateway: addrOf(n, 1).Addr()}}
	f.put(store.WriterAllocator, store.Allocations.Put(a))
}

func (f *fleet) drawService() {
	n := f.draw("service", testServices)
	svc := id(fmt.Sprintf("v%d", n))
	switch f.draw("what", 5) {
	case 1:
		f.put(store.WriterAPI, store.Services.Delete(model.KeyOf(svc)))
	case 2:
		f.put(store.WriterOrchestrator, store.Rollouts.Put(&model.Rollout{ServiceID: svc, Active: revisionID(n, f.draw("revision", 3))}))
	case 3:
		f.put(store.WriterOrchestrator, store.Rollouts.Delete(model.KeyOf(svc)))
	default:
		f.put(store.WriterAPI, store.Services.Put(&model.Service{ID: svc, Name: fmt.Sprintf("svc%d", n), Revision: revisionID(n, f.draw("revision", 3))}))
	}
}

func (f *fleet) drawVIP() {
	n := f.draw("service", testServices)
	a := &model.Allocation{Owner: id(fmt.Sprintf("v%d", n)), Kind: model.AllocService, Done: true}
	for w := 1; w <= testNetworks; w++ {
		if f.chance("on") {
			a.Networks = append(a.Networks, model.NetworkAddr{NetworkID: id(fmt.Sprintf("w%d", w)), Addr: addrOf(w, 100+n)})
		}
	}
	for range f.draw("ports", 3) - 1 {
		p := swarm.PortConfig{Protocol: "tcp", TargetPort: 80, PublishedPort: uint32(f.draw("port", 9)), PublishMode: swarm.PortConfigPublishModeIngress}
		if f.chance("host") {
			p.PublishMode = swarm.PortConfigPublishModeHost
		}
		a.Ports = append(a.Ports, p)
	}
	f.put(store.WriterAllocator, store.Allocations.Put(a))
}

// task draws a task, and makes its row where there is none.
func (f *fleet) task() *model.Task {
	n := f.draw("task", testTasks)
	if t := store.Tasks.ByID(f.store.View(), id(fmt.Sprintf("t%d", n))); t != nil {
		return t
	}
	s := 1 + n%testServices
	t := &model.Task{ID: id(fmt.Sprintf("t%d", n)), ServiceID: id(fmt.Sprintf("v%d", s)), Slot: uint64(n), Desired: model.StateRunning}
	t.Revision = revisionID(s, f.draw("revision", 3))
	delete(f.stopped, t.ID)
	f.put(store.WriterOrchestrator, store.Tasks.Put(t))
	return t
}

// drawTask makes a task that runs, in the steps in which it happens.
func (f *fleet) drawTask() {
	t := f.task()
	f.address(t)
	f.place(t)
	f.run()
	f.state(t.ID, model.StateRunning)
}

func (f *fleet) drawStop() {
	t := *f.task()
	if t.Desired >= model.StateShutdown {
		return
	}
	t.Desired = rapid.SampledFrom([]model.State{model.StateShutdown, model.StateRemove}).Draw(f.rt, "desired")
	f.stopped[t.ID] = f.now
	f.put(store.WriterOrchestrator, store.Tasks.Put(&t))
}

// drawRemoval removes a task, as the orchestrator does: not while it runs.
func (f *fleet) drawRemoval() {
	t := f.task()
	if st := store.Statuses.ByID(f.store.View(), t.ID); st != nil && !st.State.Terminal() {
		return
	}
	f.put(store.WriterAllocator, store.Allocations.Delete(model.KeyOf(t.ID)))
	f.put(store.WriterOrchestrator, store.Tasks.Delete(model.KeyOf(t.ID)))
	f.put(store.WriterScheduler, store.Placements.Delete(model.KeyOf(t.ID)))
}

func (f *fleet) drawAddress() { f.address(f.task()) }

// address gives a task addresses, which it keeps until it has ended.
func (f *fleet) address(t *model.Task) {
	st := store.Statuses.ByID(f.store.View(), t.ID)
	if st != nil && st.State.Terminal() {
		f.put(store.WriterAllocator, store.Allocations.Delete(model.KeyOf(t.ID)))
		return
	}
	if store.Allocations.ByID(f.store.View(), t.ID) != nil {
		return
	}
	a := &model.Allocation{Owner: t.ID, Kind: model.AllocTask, Done: true}
	for w := 1; w <= testNetworks; w++ {
		if !f.chance("off") {
			a.Networks = append(a.Networks, model.NetworkAddr{NetworkID: id(fmt.Sprintf("w%d", w)), Addr: addrOf(w, 10+int(t.Slot))})
		}
	}
	f.put(store.WriterAllocator, store.Allocations.Put(a))
}

func (f *fleet) drawPlacement() { f.place(f.task()) }

func (f *fleet) place(t *model.Task) {
	if store.Placements.ByID(f.store.View(), t.ID) != nil {
		return // a task stays where it is
	}
	f.put(store.WriterScheduler, store.Placements.Put(&model.Placement{TaskID: t.ID, NodeID: id(f.peer().name)}))
}

func (f *fleet) drawRunning() { f.state(f.task().ID, model.StateRunning) }

func (f *fleet) drawReport() {
	f.state(f.task().ID, rapid.SampledFrom([]model.State{model.StateStarting, model.StateRunning, model.StateFailed, model.StateShutdown}).Draw(f.rt, "state"))
}

func (f *fleet) state(task model.ID, s model.State) {
	p := store.Placements.ByID(f.store.View(), task)
	for _, peer := range f.peers {
		if p != nil && peer.open && id(peer.name) == p.NodeID {
			st := &wire.TaskStatus{TaskId: wire.Bytes(task), State: uint32(s)}
			f.m.Deliver(f.now, peer.session, wire.FromStatuses(&wire.StatusBatch{Statuses: []*wire.TaskStatus{st}}))
		}
	}
}

func (f *fleet) drawNode() {
	n := f.draw("node", testNodes)
	a := &model.Allocation{Owner: id(fmt.Sprintf("n%d", n)), Kind: model.AllocNode, Done: true}
	a.Networks = []model.NetworkAddr{{NetworkID: id("w4"), Addr: addrOf(testNetworks, f.draw("host", 200))}}
	f.put(store.WriterAllocator, store.Allocations.Put(a))
}

func (f *fleet) drawGuests() {
	all := &wire.Guests{Full: true}
	p := f.peer()
	for range f.draw("guests", 4) - 1 {
		g := f.draw("guest", 5)
		all.Guests = append(all.Guests, &wire.Guest{
			Id: wire.Bytes(id(fmt.Sprintf("g%d", g))), NetworkId: wire.Bytes(id(fmt.Sprintf("w%d", f.draw("network", testNetworks)))),
			Names: []string{fmt.Sprintf("guest%d", f.draw("name", 3))},
		})
	}
	p.agent.SetGuests(all)
}

func (f *fleet) drawGuestAddress() {
	g := f.draw("guest", 5)
	owner := id(fmt.Sprintf("g%d", g))
	row := store.Attachments.ByID(f.store.View(), owner)
	if row == nil || f.chance("remove it") {
		f.put(store.WriterAllocator, store.Allocations.Delete(model.KeyOf(owner)))
		return
	}
	a := &model.Allocation{Owner: owner, Kind: model.AllocAttachment, Done: true}
	a.Networks = []model.NetworkAddr{{NetworkID: row.NetworkID, Addr: addrOf(9, g)}}
	f.put(store.WriterAllocator, store.Allocations.Put(a))
}
