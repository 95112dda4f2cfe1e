package scheduler

import (
	"fmt"
	"strings"
	"time"

	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/api/types/volume"
	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/manager/stagetest"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/model/dependency"
	"github.com/skep-org/skep/internal/model/placement"
	"github.com/skep-org/skep/internal/store"
)

// world is a store with the scheduler's loop over it; whatever other stages write is put in by hand.
type world struct {
	t interface {
		Helper()
		Fatalf(string, ...any)
	}
	s     *store.Store
	clock *env.Manual
	loop  *control.Loop
	names map[model.ID]string
}

func newWorld(t interface {
	Helper()
	Fatalf(string, ...any)
}) *world {
	w := &world{t: t, s: store.New(), clock: env.NewManual(time.Unix(1_000_000, 0)), names: map[model.ID]string{}}
	w.takeover()
	return w
}

// takeover starts a new leader's scheduler, which has seen nothing.
func (w *world) takeover() { w.loop = control.NewLoop(New(), w.s, w.direct(), w.clock) }

func (w *world) direct() store.Direct { return store.Direct{Store: w.s, Now: w.clock.Now} }

func (w *world) write(by store.Writer, changes ...store.Change) {
	w.t.Helper()
	if _, _, err := w.direct().Commit(&store.Batch{Writer: by, Changes: changes}).Result(); err != nil {
		w.t.Fatalf("write as %s: %v", by, err)
	}
}

// settle steps until the scheduler has nothing left to do now.
func (w *world) settle() {
	w.t.Helper()
	for range 10 {
		before := w.s.View().Index()
		next, err := w.loop.Step(w.clock.Now())
		if err != nil {
			w.t.Fatalf("step: %v", err)
		}
		if w.s.View().Index() == before && (next.IsZero() || next.After(w.clock.Now())) {
			return
		}
	}
	w.t.Fatalf("the scheduler does not come to rest")
}

// id makes the same id of the same name each time, in the order of the names.
func (w *world) id(name string) model.ID {
	var id model.ID
	copy(id[:], "n:"+name)
	w.names[id] = name
	return id
}

// do carries out one line: a verb, a name and key=value arguments.
func (w *world) do(line string) {
	w.t.Helper()
	f := strings.Fields(line)
	args := map[string]string{}
	for _, a := range f[2:] {
		k, v, _ := strings.Cut(a, "=")
		args[k] = v
	}
	id := w.id(f[1])
	switch f[0] {
	case "node":
		w.node(id, args)
	case "service":
		w.service(id, f[1], args)
	case "network":
		spec := swarm.NetworkSpec{DriverConfiguration: &swarm.Driver{Name: args["driver"]}}
		if _, encrypted := args["encrypted"]; encrypted {
			spec.DriverConfiguration.Options = map[string]string{"encrypted": ""}
		}
		_, spec.Ingress = args["ingress"]
		w.write(store.WriterAPI, store.Networks.Put(&model.Network{ID: id, Name: f[1], Spec: model.DocOf(spec)}))
	case "volume":
		w.volume(id, f[1], args)
	case "tasks":
		w.tasks(f[1], args)
	case "allocated":
		w.write(store.WriterAllocator, store.Allocations.Put(&model.Allocation{Owner: id, Kind: model.AllocTask, Done: true}))
	case "desired":
		t := *store.Tasks.ByID(w.s.View(), id)
		t.Desired = map[string]model.State{"running": model.StateRunning, "shutdown": model.StateShutdown, "remove": model.StateRemove}[args["is"]]
		w.write(store.WriterOrchestrator, store.Tasks.Put(&t))
	case "status":
		state := map[string]model.State{
			"starting": model.StateStarting, "running": model.StateRunning, "failed": model.StateFailed, "complete": model.StateComplete,
			"shutdown": model.StateShutdown, "rejected": model.StateRejected,
		}[args["is"]]
		w.write(store.WriterDispatcher, store.Statuses.Put(&model.TaskStatus{TaskID: id, State: state, At: w.clock.Now().UnixNano()}))
	case "remove":
		w.remove(id)
	case "wait":
		d, err := time.ParseDuration(f[1])
		if err != nil {
			w.t.Fatalf("%v", err)
		}
		w.clock.Set(w.clock.Now().Add(d))
	default:
		w.t.Fatalf("unknown line %q", line)
	}
}

func (w *world) node(id model.ID, args map[string]string) {
	spec := swarm.NodeSpec{Availability: swarm.NodeAvailability(args["avail"])}
	desc := swarm.NodeDescription{Hostname: w.names[id], Platform: swarm.Platform{OS: "linux", Architecture: args["arch"]}}
	fmt.Sscan(args["cpu"], &desc.Resources.NanoCPUs)
	fmt.Sscan(args["mem"], &desc.Resources.MemoryBytes)
	desc.Resources.GenericResources = w.generic(args["generic"])
	for _, d := range list(args["csi"]) {
		info := swarm.NodeCSIInfo{PluginName: d, AccessibleTopology: &swarm.Topology{Segments: map[string]string{"zone": args["zone"]}}}
		fmt.Sscan(args["most"], &info.MaxVolumesPerNode)
		desc.CSIInfo = append(desc.CSIInfo, info)
	}
	for _, p := range list(args["plugin"]) {
		kind, name, _ := strings.Cut(p, "/")
		desc.Engine.Plugins = append(desc.Engine.Plugins, swarm.PluginDescription{Type: kind, Name: name})
	}
	spec.Labels, desc.Engine.Labels = map[string]string{}, map[string]string{}
	for k, v := range args {
		if label, ok := strings.CutPrefix(k, "label."); ok {
			spec.Labels[label] = v
		}
		if label, ok := strings.CutPrefix(k, "engine."); ok {
			desc.Engine.Labels[label] = v
		}
	}
	state := model.ReachReady
	if args["reach"] == "down" {
		state = model.ReachDown
	}
	role := model.RoleWorker
	if args["role"] == "manager" {
		role = model.RoleManager
	}
	w.write(store.WriterAPI, store.NodeSpecs.Put(&model.NodeSpec{ID: id, Spec: model.DocOf(spec)}))
	w.write(store.WriterIdentity, store.NodeIdentities.Put(&model.NodeIdentity{ID: id, Role: role}))
	if args["reach"] != "unheard" {
		row := &model.NodeState{ID: id, State: state, Description: model.DocOf(desc)}
		if args["encrypts"] != "" { // "no": it says that it cannot
			said := model.NodeEncryption{Means: args["encrypts"]}
			if said.Means == "no" {
				said = model.NodeEncryption{Refusal: "no TUN device"}
			}
			row.Encryption = model.DocOf(said)
		}
		w.write(store.WriterDispatcher, store.NodeStates.Put(row))
	}
}

func (w *world) service(id model.ID, name string, args map[string]string) {
	var spec swarm.ServiceSpec
	task := &spec.TaskTemplate
	task.ContainerSpec = &swarm.ContainerSpec{}
	task.Resources = &swarm.ResourceRequirements{Reservations: &swarm.Resources{GenericResources: w.generic(args["generic"])}}
	fmt.Sscan(args["cpu"], &task.Resources.Reservations.NanoCPUs)
	fmt.Sscan(args["mem"], &task.Resources.Reservations.MemoryBytes)
	task.Placement = &swarm.Placement{Constraints: list(args["constraint"])}
	fmt.Sscan(args["max"], &task.Placement.MaxReplicas)
	for _, s := range list(args["spread"]) {
		task.Placement.Preferences = append(task.Placement.Preferences, swarm.PlacementPreference{Spread: &swarm.SpreadOver{SpreadDescriptor: s}})
	}
	for _, p := range list(args["platform"]) {
		os, arch, _ := strings.Cut(p, "/")
		task.Placement.Platforms = append(task.Placement.Platforms, swarm.Platform{OS: os, Architecture: arch})
	}
	for _, v := range list(args["local"]) {
		task.ContainerSpec.Mounts = append(task.ContainerSpec.Mounts, mount.Mount{Type: mount.TypeVolume, Source: v, Target: "/" + v})
	}
	for _, v := range list(args["volume"]) {
		task.ContainerSpec.Mounts = append(task.ContainerSpec.Mounts, mount.Mount{Type: mount.TypeVolume,
			VolumeOptions: &mount.VolumeOptions{DriverConfig: &mount.Driver{Name: v}}})
	}
	for i, v := range list(args["cluster"]) {
		source, readOnly := strings.CutSuffix(v, "/ro")
		task.ContainerSpec.Mounts = append(task.ContainerSpec.Mounts, mount.Mount{Type: mount.TypeCluster, Source: source, Target: fmt.Sprint("/", i), ReadOnly: readOnly})
	}
	for _, n := range list(args["net"]) {
		task.Networks = append(task.Networks, swarm.NetworkAttachmentConfig{Target: w.id(n).String()})
	}
	if args["log"] != "" {
		task.LogDriver = &swarm.Driver{Name: args["log"]}
	}
	spec.EndpointSpec = &swarm.EndpointSpec{}
	for _, p := range list(args["port"]) {
		port := swarm.PortConfig{PublishMode: swarm.PortConfigPublishModeHost}
		fmt.Sscan(p, &port.PublishedPort)
		spec.EndpointSpec.Ports = append(spec.EndpointSpec.Ports, port)
	}
	for _, p := range list(args["publish"]) {
		port := swarm.PortConfig{}
		fmt.Sscan(p, &port.PublishedPort)
		spec.EndpointSpec.Ports = append(spec.EndpointSpec.Ports, port)
	}
	spec.Labels = map[string]string{"com.docker.stack.namespace": args["stack"]}
	if args["strategy"] != "" {
		spec.Labels[placement.Label] = args["strategy"]
	}
	for _, after := range list(args["after"]) {
		on, condition, _ := strings.Cut(after, ":")
		spec.Labels[dependency.Prefix+on] = "service_" + condition
	}
	if args["replicas"] != "" {
		n := uint64(0)
		fmt.Sscan(args["replicas"], &n)
		spec.Mode.Replicated = &swarm.ReplicatedService{Replicas: &n}
	}
	rev := &model.ServiceRevision{ID: w.id(name + "@" + args["rev"]), ServiceID: id, Spec: model.DocOf(spec)}
	w.write(store.WriterAPI, store.Revisions.Put(rev), store.Services.Put(&model.Service{ID: id, Name: name, Revision: rev.ID}))
}

// volume makes a cluster volume of driver d, or another as it is to be: scope, sharing, group, avail, zone, on (a node), made=no.
func (w *world) volume(id model.ID, name string, args map[string]string) {
	spec := volume.CreateRequest{Name: name, Driver: "d", ClusterVolumeSpec: &volume.ClusterVolumeSpec{
		Group: args["group"], Availability: volume.Availability(args["avail"]),
		AccessMode: &volume.AccessMode{Scope: volume.Scope(args["scope"]), Sharing: volume.SharingMode(args["sharing"])}}}
	w.write(store.WriterAPI, store.Volumes.Put(&model.Volume{ID: id, Name: name, Spec: model.DocOf(spec)}))
	state := &model.VolumeState{VolumeID: id, Handle: "made"}
	if args["made"] == "no" {
		state.Handle, state.Err = "", "the driver sleeps"
	}
	for _, z := range list(args["zone"]) {
		state.Topology = append(state.Topology, volume.Topology{Segments: map[string]string{"zone": z}})
	}
	for _, n := range list(args["on"]) {
		state.Nodes = append(state.Nodes, model.VolumeNode{NodeID: w.id(n), Phase: model.VolumePublished})
	}
	w.write(store.WriterVolumes, store.VolumeStates.Put(state))
}

// tasks makes tasks SERVICE.FROM to SERVICE.TO in one write, allocated unless told otherwise.
func (w *world) tasks(service string, args map[string]string) {
	svc := store.Services.ByID(w.s.View(), w.id(service))
	from, to := 1, 1
	if _, err := fmt.Sscanf(args["slots"], "%d-%d", &from, &to); err != nil {
		fmt.Sscan(args["slots"], &from)
		to = from
	}
	var tasks, allocs []store.Change
	for slot := from; slot <= to; slot++ {
		t := &model.Task{ID: w.id(fmt.Sprintf("%s.%d%s", service, slot, args["as"])), ServiceID: svc.ID, Revision: svc.Revision, Slot: uint64(slot), Desired: model.StateRunning}
		if args["node"] != "" {
			t.NodeID, t.Slot = w.id(args["node"]), 0
		}
		tasks = append(tasks, store.Tasks.Put(t))
		allocs = append(allocs, store.Allocations.Put(&model.Allocation{Owner: t.ID, Kind: model.AllocTask, Done: true}))
	}
	w.write(store.WriterOrchestrator, tasks...)
	if args["allocated"] != "no" {
		w.write(store.WriterAllocator, allocs...)
	}
}

func (w *world) remove(id model.ID) {
	v, key := w.s.View(), model.KeyOf(id)
	switch {
	case store.Tasks.ByID(v, id) != nil:
		w.write(store.WriterOrchestrator, store.Tasks.Delete(key))
	case store.NodeSpecs.ByID(v, id) != nil:
		w.write(store.WriterAPI, store.NodeSpecs.Delete(key))
		w.write(store.WriterDispatcher, store.NodeStates.Delete(key))
		w.write(store.WriterIdentity, store.NodeIdentities.Delete(key))
	case store.Services.ByID(v, id) != nil:
		w.write(store.WriterAPI, store.Services.Delete(key))
	default:
		w.t.Fatalf("nothing to remove: %s", w.names[id])
	}
}

func list(s string) []string { return strings.FieldsFunc(s, func(r rune) bool { return r == ',' }) }

// generic reads "gpu:2,ssd/sda" forms: a count, or a name after a slash.
func (w *world) generic(text string) []swarm.GenericResource {
	list, err := stagetest.Generic(text)
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	return list
}
