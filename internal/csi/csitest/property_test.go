package csitest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/api/types/volume"
	"github.com/skep-org/skep/internal/agent/staging"
	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/csi/csitest"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/manager/volumes"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
	"pgregory.net/rapid"
)

// TestVolumesProperty has the stage of the managers, the machines of the agents and drivers meet at random: calls and operations
// fail before and after their effect and lose their outcome, orders and reports are late, daemons and leaders are replaced, hosts
// lose their power. The drivers find whatever is out of order; besides, no container ever has a volume that is for one node while
// one on another host has it, nor one that is not mounted. When all is calm again everything comes to its end.
func TestVolumesProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		defer os.RemoveAll(string(w.place))
		for range rapid.IntRange(20, 120).Draw(t, "steps") {
			w.step()
			w.check()
		}
		w.calm()
	})
}

// world is a cluster as far as volumes know it.
type world struct {
	t      *rapid.T
	place  csitest.Place
	store  *store.Store
	clock  *env.Manual
	loops  []*control.Loop
	hosts  []*host
	vols   []model.ID
	tasks  []*work
	calls  map[model.ID]*flying // under way, by volume
	faulty bool
	drawn  uint64
}

// flying is a call whose outcome is not written yet.
type flying struct {
	call volumes.Call
	out  volumes.Outcome
}

// work is one task.
type work struct {
	id, vol model.ID
	host    *host
	running bool // its container does
	ended   bool
}

type host struct {
	id      model.ID
	name    string
	on      bool
	mounts  mounts
	driver  *csitest.Driver
	machine *staging.Machine
	notes   map[model.ID]*wire.VolumeOrder // on its disk
	ops     []staging.Op                   // under way
	orders  []*wire.VolumeOrder            // on their way; nil: none are
}

// mounts are a host's, as far as the driver knows.
type mounts map[string]bool

func (m mounts) Bind(_, to string) error   { m[to] = true; return nil }
func (m mounts) Unmount(path string) error { delete(m, path); return nil }
func (m mounts) Mounted(path string) bool  { return m[path] }

func newWorld(t *rapid.T) *world {
	dir, err := os.MkdirTemp("", "csi") //nolint:usetesting // rapid's T has none
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, place: csitest.Place(dir), store: store.New(), clock: env.NewManual(time.Unix(1e9, 0)), calls: map[model.ID]*flying{}, faulty: true}
	w.lead()
	detached := rapid.Bool().Draw(t, "detached")
	unstaged := rapid.Bool().Draw(t, "unstaged")
	for i := range 3 {
		h := &host{id: w.newID(), name: fmt.Sprint("h", i), mounts: mounts{}, notes: map[model.ID]*wire.VolumeOrder{}}
		w.hosts = append(w.hosts, h)
		w.write(store.WriterAPI, store.NodeSpecs.Put(&model.NodeSpec{ID: h.id}))
		w.power(h, csitest.Options{Place: w.place, Node: h.name, Detached: detached, Unstaged: unstaged, Mounts: h.mounts})
	}
	for i := range 2 {
		spec := volume.CreateRequest{Name: fmt.Sprint("v", i), Driver: "d", ClusterVolumeSpec: &volume.ClusterVolumeSpec{
			AccessMode: &volume.AccessMode{Scope: volume.ScopeSingleNode, Sharing: volume.SharingAll, MountVolume: &volume.TypeMount{}}}}
		if i == 1 && rapid.Bool().Draw(t, "multi") {
			spec.ClusterVolumeSpec.AccessMode.Scope = volume.ScopeMultiNode
		}
		row := &model.Volume{ID: w.newID(), Name: spec.Name, Spec: model.DocOf(spec)}
		w.vols = append(w.vols, row.ID)
		w.write(store.WriterAPI, store.Volumes.Put(row))
	}
	w.settle()
	return w
}

func (w *world) newID() model.ID { w.drawn++; return model.NumID(w.drawn) }

func (w *world) write(by store.Writer, changes ...store.Change) {
	if _, _, err := w.direct().Commit(&store.Batch{Writer: by, Changes: changes}).Result(); err != nil {
		w.t.Fatalf("write as %s: %v", by, err)
	}
}

func (w *world) direct() store.Direct { return store.Direct{Store: w.store, Now: w.clock.Now} }

// lead begins a leader's term; what the one before had under way is lost.
func (w *world) lead() {
	w.calls = map[model.ID]*flying{}
	w.loops = nil
	for _, p := range []control.Planner{volumes.New(), volumes.NewReaper()} {
		w.loops = append(w.loops, control.NewLoop(p, w.store, w.direct(), w.clock))
	}
}

func (w *world) settle() {
	for range 50 {
		before := w.store.View().Index()
		for _, l := range w.loops {
			if _, err := l.Step(w.clock.Now()); err != nil {
				w.t.Fatal(err)
			}
		}
		if w.store.View().Index() == before {
			return
		}
		w.clock.Set(w.clock.Now().Add(200 * time.Millisecond))
	}
	w.t.Fatal("the planners do not settle")
}

// power switches a host on.
func (w *world) power(h *host, o csitest.Options) {
	driver, err := csitest.New(o)
	if err != nil {
		w.t.Fatal(err)
	}
	h.driver, h.on = driver, true
	w.boot(h)
	w.state(h, model.ReachReady)
}

// boot begins a daemon's life: it knows what is on disk.
func (w *world) boot(h *host) {
	var left []*wire.VolumeOrder
	for _, o := range h.notes {
		left = append(left, o)
	}
	h.machine, h.ops, h.orders = staging.New(left), nil, nil
}

func (w *world) state(h *host, r model.Reach) {
	desc := swarm.NodeDescription{CSIInfo: []swarm.NodeCSIInfo{{PluginName: "d", NodeID: h.name}}}
	w.write(store.WriterDispatcher, store.NodeStates.Put(&model.NodeState{ID: h.id, State: r, Description: model.DocOf(desc)}))
}

func (w *world) step() {
	h := w.hosts[rapid.IntRange(0, len(w.hosts)-1).Draw(w.t, "host")]
	id := w.vols[rapid.IntRange(0, len(w.vols)-1).Draw(w.t, "volume")]
	switch rapid.IntRange(0, 19).Draw(w.t, "what") {
	case 0, 1, 2:
		w.callDriver(id)
	case 3, 4:
		w.outcome(id)
	case 5, 6:
		w.sendOrders(h)
	case 7, 8:
		w.takeOrders(h)
	case 9, 10, 11:
		w.beginOps(h)
	case 12, 13:
		w.endOp(h)
	case 14:
		w.report(h)
	case 15:
		w.addTask(h, id)
	case 16:
		w.stopTask()
	case 17:
		w.containers()
	case 18:
		if h.on {
			w.boot(h)
		}
	case 19:
		switch rapid.IntRange(0, 3).Draw(w.t, "rare") {
		case 0:
			w.lead()
		case 1:
			w.off(h)
		default:
			w.on(h)
		}
	}
	w.settle()
	w.clock.Set(w.clock.Now().Add(time.Duration(rapid.IntRange(0, 12).Draw(w.t, "later")) * time.Second))
}

// options of a host's driver are those it had.
func (w *world) on(h *host) {
	if h.on {
		return
	}
	_ = w.place.Lives(h.name)
	h.on = true
	w.boot(h)
	w.state(h, model.ReachReady)
}

// off takes a host's power: its mounts and containers are gone, its disk is not.
func (w *world) off(h *host) {
	if !h.on {
		return
	}
	h.on = false
	clear(h.mounts)
	if err := w.place.Died(h.name); err != nil {
		w.t.Fatal(err)
	}
	if err := w.place.Forget(h.name); err != nil {
		w.t.Fatal(err)
	}
	for _, t := range w.tasks {
		if t.host == h {
			t.running = false
		}
	}
	if rapid.Bool().Draw(w.t, "noticed") {
		w.state(h, model.ReachDown)
	}
}

// disturb is what becomes of a call beside its effect.
func (w *world) disturb() (before, after error) {
	if !w.faulty {
		return nil, nil
	}
	switch rapid.IntRange(0, 5).Draw(w.t, "fault") {
	case 0:
		return errors.New("failed before"), nil
	case 1:
		return nil, errors.New("failed after")
	}
	return nil, nil
}

// callDriver makes a call that is due, on the driver of any host.
func (w *world) callDriver(id model.ID) {
	due := volumes.Due(w.store.View(), id)
	if w.calls[id] != nil || len(due) == 0 {
		return
	}
	c := due[rapid.IntRange(0, len(due)-1).Draw(w.t, "due")]
	d, ctx := w.hosts[0].driver, context.Background()
	before, after := w.disturb()
	f := &flying{call: c}
	w.calls[id] = f
	if before != nil {
		f.out.Err = before
		return
	}
	switch c.Kind {
	case volumes.Create:
		mode := csi.VolumeCapability_AccessMode_SINGLE_NODE_WRITER
		if c.Volume.Access().Scope == volume.ScopeMultiNode {
			mode = csi.VolumeCapability_AccessMode_MULTI_NODE_MULTI_WRITER
		}
		r, err := d.CreateVolume(ctx, &csi.CreateVolumeRequest{Name: c.Volume.Name, VolumeCapabilities: []*csi.VolumeCapability{{AccessMode: &csi.VolumeCapability_AccessMode{Mode: mode}}}})
		f.out.Err = err
		able, _ := d.ControllerGetCapabilities(ctx, nil)
		f.out.Handle, f.out.Context, f.out.Attaches = r.GetVolume().GetVolumeId(), r.GetVolume().GetVolumeContext(), len(able.Capabilities) > 1
	case volumes.Publish:
		r, err := d.ControllerPublishVolume(ctx, &csi.ControllerPublishVolumeRequest{VolumeId: c.State.Handle, NodeId: c.Node.Handle})
		f.out.Err, f.out.Published = err, r.GetPublishContext()
	case volumes.Unpublish:
		_, f.out.Err = d.ControllerUnpublishVolume(ctx, &csi.ControllerUnpublishVolumeRequest{VolumeId: c.State.Handle, NodeId: c.Node.Handle})
	case volumes.Delete:
		_, f.out.Err = d.DeleteVolume(ctx, &csi.DeleteVolumeRequest{VolumeId: c.State.Handle})
	}
	if after != nil {
		f.out = volumes.Outcome{Err: after}
	}
}

func (w *world) outcome(id model.ID) {
	f := w.calls[id]
	if f == nil {
		return
	}
	delete(w.calls, id)
	if s := store.VolumeStates.ByID(w.store.View(), id); s != nil {
		if next := volumes.Apply(s, f.call, f.out); next != nil {
			w.write(store.WriterVolumes, store.VolumeStates.Put(next))
		}
	}
}

// sendOrders tells a host what the managers want of it, as the dispatcher does.
func (w *world) sendOrders(h *host) {
	v := w.store.View()
	h.orders = []*wire.VolumeOrder{}
	for s := range store.VolumeStates.All(v) {
		if n := s.On(h.id); n != nil && (n.Phase == model.VolumePublished || n.Phase == model.VolumeNodeUnpublish) {
			h.orders = append(h.orders, &wire.VolumeOrder{Id: wire.Bytes(s.VolumeID), Round: n.Round, Release: n.Phase == model.VolumeNodeUnpublish,
				Handle: s.Handle, VolumeContext: s.Context, PublishContext: n.Context})
		}
	}
}

func (w *world) takeOrders(h *host) {
	if h.on && h.orders != nil {
		h.machine.Orders(h.orders)
		h.orders = nil
	}
}

func (w *world) beginOps(h *host) {
	if !h.on {
		return
	}
	ops, _ := h.machine.Step(w.clock.Now(), func(id model.ID) bool {
		return slices.ContainsFunc(w.tasks, func(t *work) bool { return t.host == h && t.vol == id && t.running })
	})
	h.ops = append(h.ops, ops...)
}

// endOp has one operation come to its end.
func (w *world) endOp(h *host) {
	if !h.on || len(h.ops) == 0 {
		return
	}
	i := rapid.IntRange(0, len(h.ops)-1).Draw(w.t, "op")
	op := h.ops[i]
	h.ops = slices.Delete(h.ops, i, i+1)
	dir := filepath.Join(string(w.place), h.name, op.Volume.String())
	stage, target := filepath.Join(dir, "staging"), filepath.Join(dir, "target")
	before, after := w.disturb()
	err, ctx := before, context.Background()
	able, _ := h.driver.NodeGetCapabilities(ctx, nil)
	stages := len(able.Capabilities) > 0
	if op.Kind == staging.Stage {
		h.notes[op.Volume] = op.Order
	}
	if err == nil {
		switch op.Kind {
		case staging.Stage:
			if stages {
				_, err = h.driver.NodeStageVolume(ctx, &csi.NodeStageVolumeRequest{VolumeId: op.Order.Handle, StagingTargetPath: stage,
					PublishContext: op.Order.PublishContext, VolumeContext: op.Order.VolumeContext})
			}
		case staging.Publish:
			_, err = h.driver.NodePublishVolume(ctx, &csi.NodePublishVolumeRequest{VolumeId: op.Order.Handle, StagingTargetPath: stage, TargetPath: target})
		case staging.Unpublish:
			_, err = h.driver.NodeUnpublishVolume(ctx, &csi.NodeUnpublishVolumeRequest{VolumeId: op.Order.Handle, TargetPath: target})
		case staging.Unstage:
			if stages {
				_, err = h.driver.NodeUnstageVolume(ctx, &csi.NodeUnstageVolumeRequest{VolumeId: op.Order.Handle, StagingTargetPath: stage})
			}
		}
	}
	if err = errors.Join(err, after); err == nil && op.Kind == staging.Unstage {
		delete(h.notes, op.Volume)
	}
	h.machine.Done(w.clock.Now(), op, target, err)
}

func (w *world) report(h *host) {
	if !h.on {
		return
	}
	h.machine.Again()
	r := h.machine.Report()
	if r == nil {
		return
	}
	row := &model.NodeVolumes{NodeID: h.id}
	for _, one := range r.Reports {
		id, _ := wire.ID(one.Id)
		row.List = append(row.List, model.NodeVolume{VolumeID: id, Round: one.Round, Released: one.Released})
	}
	w.write(store.WriterDispatcher, store.NodeVolumes.Put(row))
}

// addTask places a task, as the scheduler would: of a volume for one node only where those are that are to run.
func (w *world) addTask(h *host, id model.ID) {
	v := w.store.View()
	vol := store.Volumes.ByID(v, id)
	for _, t := range w.tasks {
		row := store.Tasks.ByID(v, t.id)
		if t.vol == id && t.host != h && row.Desired < model.StateShutdown && vol.Access().Scope == volume.ScopeSingleNode {
			return
		}
	}
	t := &work{id: w.newID(), vol: id, host: h}
	w.tasks = append(w.tasks, t)
	w.write(store.WriterOrchestrator, store.Tasks.Put(&model.Task{ID: t.id, Desired: model.StateRunning}))
	w.write(store.WriterScheduler, store.Placements.Put(&model.Placement{TaskID: t.id, NodeID: h.id,
		Volumes: &model.PlacedVolumes{List: []model.PlacedVolume{{VolumeID: id, Target: "/d"}}}}))
}

func (w *world) stopTask() {
	if len(w.tasks) == 0 {
		return
	}
	w.stop(w.tasks[rapid.IntRange(0, len(w.tasks)-1).Draw(w.t, "task")])
}

func (w *world) stop(t *work) {
	row := *store.Tasks.ByID(w.store.View(), t.id)
	row.Desired = model.StateShutdown
	w.write(store.WriterOrchestrator, store.Tasks.Put(&row))
}

// containers has those start that can, and those end that are to; who ended is reported.
func (w *world) containers() {
	for _, t := range w.tasks {
		row := store.Tasks.ByID(w.store.View(), t.id)
		switch {
		case !t.host.on || t.ended:
		case row.Desired >= model.StateShutdown:
			t.running, t.ended = false, true
			w.write(store.WriterDispatcher, store.Statuses.Put(&model.TaskStatus{TaskID: t.id, State: model.StateShutdown}))
		default:
			path, reason := t.host.machine.Path(t.vol)
			busy := slices.ContainsFunc(t.host.ops, func(op staging.Op) bool { return op.Volume == t.vol })
			if reason == "" && !busy && !t.running {
				if !t.host.mounts[path] {
					w.t.Fatalf("task %s finds nothing at %s", t.id, path)
				}
				t.running = true
			}
		}
	}
}

// check holds what must be at any time.
func (w *world) check() {
	found, err := w.place.Violations()
	if err != nil || len(found) > 0 {
		w.t.Fatalf("the drivers found wrong: %v %v", found, err)
	}
	for _, a := range w.tasks {
		vol := store.Volumes.ByID(w.store.View(), a.vol)
		for _, b := range w.tasks {
			if a.running && b.running && a.vol == b.vol && a.host != b.host && vol.Access().Scope == volume.ScopeSingleNode {
				w.t.Fatalf("%s and %s have volume %s", a.host.name, b.host.name, vol.Name)
			}
		}
	}
}

// calm has everything end: nothing goes wrong any more, no task is wanted, all hosts are on.
func (w *world) calm() {
	w.faulty = false
	for _, h := range w.hosts {
		w.on(h)
	}
	for _, t := range w.tasks {
		w.stop(t)
	}
	w.round(80, func() bool {
		for s := range store.VolumeStates.All(w.store.View()) {
			if len(s.Nodes) > 0 || s.Handle == "" {
				return false
			}
		}
		return true
	})
	for _, id := range w.vols {
		row := *store.Volumes.ByID(w.store.View(), id)
		row.Removing = true
		w.write(store.WriterAPI, store.Volumes.Put(&row))
	}
	w.round(20, func() bool { return store.Volumes.Len(w.store.View())+store.VolumeStates.Len(w.store.View()) == 0 })
	w.round(20, func() bool {
		return !slices.ContainsFunc(w.hosts, func(h *host) bool { return len(h.mounts)+len(h.notes) > 0 })
	})
}

// round lets everybody do what is due until all is as it is to be.
func (w *world) round(limit int, done func() bool) {
	for range limit {
		w.settle()
		for _, id := range w.vols {
			w.callDriver(id)
			w.outcome(id)
		}
		w.settle()
		for _, h := range w.hosts {
			w.sendOrders(h)
			w.takeOrders(h)
			w.containers()
			for range 4 {
				w.beginOps(h)
				for len(h.ops) > 0 {
					w.endOp(h)
				}
			}
			w.report(h)
		}
		w.check()
		w.clock.Set(w.clock.Now().Add(20 * time.Second))
		w.settle()
		if done() {
			return
		}
	}
	w.t.Fatalf("after %d rounds it has not come to its end: %s", limit, w.tell())
}

func (w *world) tell() (out string) {
	for s := range store.VolumeStates.All(w.store.View()) {
		out += fmt.Sprintf("%+v\n", *s)
	}
	for _, h := range w.hosts {
		out += fmt.Sprintf("%s: mounts %v, notes %v\n", h.name, h.mounts, h.notes)
	}
	return out
}
