package allocator

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// world is a store with the allocator's loop over it; whatever other stages write is put in by hand.
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

func newWorld(t *testing.T) *world {
	w := &world{t: t, s: store.New(), clock: env.NewManual(time.Unix(1_000_000, 0)), names: map[model.ID]string{}}
	w.loop = control.NewLoop(New(), w.s, w.direct(), w.clock)
	return w
}

func (w *world) direct() store.Direct { return store.Direct{Store: w.s, Now: w.clock.Now} }

func (w *world) write(by store.Writer, changes ...store.Change) {
	w.t.Helper()
	w.clock.Set(w.clock.Now().Add(time.Second))
	if _, _, err := w.direct().Commit(&store.Batch{Writer: by, Changes: changes}).Result(); err != nil {
		w.t.Fatalf("write as %s: %v", by, err)
	}
}

func (w *world) step() {
	w.t.Helper()
	if _, err := w.loop.Step(w.clock.Now()); err != nil {
		w.t.Fatalf("step: %v", err)
	}
}

// id makes the same id of the same name each time.
func (w *world) id(name string) model.ID {
	var id model.ID
	copy(id[:], "n:"+name)
	w.names[id] = name
	return id
}

// TestDataDriven: each command writes rows as another stage would, steps the loop and prints the allocations that
// changed. "quiet" commands only write; "step" steps.
func TestDataDriven(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		w := newWorld(t)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			before := w.s.View().Index()
			for line := range strings.Lines(d.Input) {
				w.do(strings.Fields(line))
			}
			switch d.Cmd {
			case "do":
				w.step()
			case "takeover": // a new leader's loop, which has seen no event
				w.loop = control.NewLoop(New(), w.s, w.direct(), w.clock)
				w.step()
			case "wait":
				var s string
				d.ScanArgs(t, "for", &s)
				for_, err := time.ParseDuration(s)
				if err != nil {
					t.Fatal(err)
				}
				w.clock.Set(w.clock.Now().Add(for_))
				w.step()
			default:
				t.Fatalf("unknown command %s", d.Cmd)
			}
			return w.changes(before)
		})
	})
}

func (w *world) do(f []string) {
	args := map[string]string{}
	for _, a := range f[2:] {
		k, v, _ := strings.Cut(a, "=")
		args[k] = v
	}
	id := w.id(f[1])
	switch f[0] {
	case "cluster":
		c := &model.Cluster{ID: id}
		for _, p := range split(args["pools"]) {
			c.AddrPools = append(c.AddrPools, netip.MustParsePrefix(p))
		}
		fmt.Sscan(args["size"], &c.SubnetSize)
		w.write(store.WriterAPI, store.Clusters.Put(c))
	case "network":
		spec := swarm.NetworkSpec{Annotations: swarm.Annotations{Name: f[1]}, DriverConfiguration: &swarm.Driver{Name: args["driver"]}}
		for _, s := range split(args["subnet"]) {
			spec.IPAMOptions = &swarm.IPAMOptions{Configs: append(ipam(spec), swarm.IPAMConfig{Subnet: netip.MustParsePrefix(s)})}
		}
		if g := args["gateway"]; g != "" {
			if spec.IPAMOptions == nil {
				spec.IPAMOptions = &swarm.IPAMOptions{Configs: []swarm.IPAMConfig{{}}}
			}
			spec.IPAMOptions.Configs[0].Gateway = netip.MustParseAddr(g)
		}
		if r := args["range"]; r != "" {
			spec.IPAMOptions.Configs[0].Range = netip.MustParsePrefix(r)
		}
		_, spec.Ingress = args["ingress"]
		_, spec.Attachable = args["attachable"]
		if _, ok := args["predefined"]; ok {
			spec.Labels = map[string]string{labelPredefined: "true"}
		}
		w.write(store.WriterAPI, store.Networks.Put(&model.Network{ID: id, Name: f[1], Spec: model.DocOf(spec)}))
	case "guest":
		g := &model.Attachment{ID: id, NodeID: w.id("n1"), NetworkID: w.id(args["net"])}
		if a := args["addr"]; a != "" {
			g.Addr = netip.MustParseAddr(a)
		}
		w.write(store.WriterDispatcher, store.Attachments.Put(g))
	case "forge": // writes what no planner does, as a state that was damaged has it
		a := *store.Allocations.ByID(w.s.View(), id)
		if v := args["vni"]; v != "" {
			fmt.Sscan(v, &a.VNI)
		}
		if addr := args["addr"]; addr != "" {
			a.Networks = slices.Clone(a.Networks)
			a.Networks[0].Addr = netip.PrefixFrom(netip.MustParseAddr(addr), a.Networks[0].Addr.Bits())
		}
		if p := args["port"]; p != "" {
			a.Ports = slices.Clone(a.Ports)
			fmt.Sscan(p, &a.Ports[0].PublishedPort)
		}
		w.write(store.WriterAllocator, store.Allocations.Put(&a))
	case "forge-row":
		w.write(store.WriterAllocator, store.Allocations.Put(&model.Allocation{Owner: id, Kind: model.AllocTask, Done: true}))
	case "member":
		w.write(store.WriterAPI, store.NodeSpecs.Put(&model.NodeSpec{ID: id}))
	case "remove":
		w.remove(id)
	case "service":
		spec := swarm.ServiceSpec{EndpointSpec: &swarm.EndpointSpec{}}
		for _, n := range split(args["net"]) {
			target := n
			if store.Networks.ByID(w.s.View(), w.id(n)) != nil {
				target = w.id(n).String()
			}
			spec.TaskTemplate.Networks = append(spec.TaskTemplate.Networks, swarm.NetworkAttachmentConfig{Target: target})
		}
		for _, p := range split(args["port"]) {
			port := swarm.PortConfig{PublishMode: swarm.PortConfigPublishModeHost}
			if p, ingress := strings.CutPrefix(p, "ingress:"); ingress {
				port.PublishMode = swarm.PortConfigPublishModeIngress
				if n, _ := fmt.Sscanf(p, "%d:%d", &port.PublishedPort, &port.TargetPort); n == 1 {
					port.PublishedPort, port.TargetPort = 0, port.PublishedPort
				}
				if strings.HasSuffix(p, "/udp") {
					port.Protocol = "udp"
				}
			} else {
				fmt.Sscanf(p, "%d:%d", &port.PublishedPort, &port.TargetPort)
			}
			spec.EndpointSpec.Ports = append(spec.EndpointSpec.Ports, port)
		}
		spec.EndpointSpec.Mode = swarm.ResolutionMode(args["mode"])
		rev := &model.ServiceRevision{ID: w.id(f[1] + "@" + args["rev"]), ServiceID: id, Spec: model.DocOf(spec)}
		w.write(store.WriterAPI, store.Revisions.Put(rev), store.Services.Put(&model.Service{ID: id, Name: f[1], Revision: rev.ID}))
	case "rollout":
		svc := store.Services.ByID(w.s.View(), id)
		states := map[string]model.RolloutState{"updating": model.RolloutUpdating, "completed": model.RolloutCompleted, "rolled-back": model.RolloutRollbackCompleted}
		w.write(store.WriterOrchestrator, store.Rollouts.Put(&model.Rollout{
			ServiceID: id, Asked: svc.Revision, AskedIndex: svc.Index, Active: w.id(f[1] + "@" + args["rev"]), State: states[args["is"]],
		}))
	case "task":
		svc := store.Services.ByID(w.s.View(), w.id(args["of"]))
		desired := model.StateRunning
		if args["desired"] == "shutdown" {
			desired = model.StateShutdown
		}
		w.write(store.WriterOrchestrator, store.Tasks.Put(&model.Task{ID: id, ServiceID: svc.ID, Revision: svc.Revision, Desired: desired}))
	case "place":
		w.write(store.WriterScheduler, store.Placements.Put(&model.Placement{TaskID: id, NodeID: w.id(args["on"])}))
	case "status":
		states := map[string]model.State{"running": model.StateRunning, "failed": model.StateFailed, "complete": model.StateComplete}
		w.write(store.WriterDispatcher, store.Statuses.Put(&model.TaskStatus{TaskID: id, State: states[args["is"]]}))
	case "node":
		reach := map[string]model.Reach{"ready": model.ReachReady, "down": model.ReachDown}
		w.write(store.WriterDispatcher, store.NodeStates.Put(&model.NodeState{ID: id, State: reach[args["is"]], Since: w.clock.Now().UnixNano()}))
	default:
		w.t.Fatalf("unknown line %v", f)
	}
}

// remove deletes what bears the id, whoever owns it.
func (w *world) remove(id model.ID) {
	v, key := w.s.View(), model.KeyOf(id)
	switch {
	case store.Networks.ByID(v, id) != nil:
		w.write(store.WriterAPI, store.Networks.Delete(key))
	case store.Services.ByID(v, id) != nil:
		w.write(store.WriterAPI, store.Services.Delete(key))
	case store.Attachments.ByID(v, id) != nil:
		w.write(store.WriterDispatcher, store.Attachments.Delete(key))
	case store.NodeSpecs.ByID(v, id) != nil:
		w.write(store.WriterAPI, store.NodeSpecs.Delete(key))
	case store.Tasks.ByID(v, id) != nil:
		w.write(store.WriterOrchestrator, store.Tasks.Delete(key))
	case store.NodeStates.ByID(v, id) != nil:
		w.write(store.WriterDispatcher, store.NodeStates.Delete(key))
	default:
		w.t.Fatalf("nothing to remove: %s", w.names[id])
	}
}

func ipam(spec swarm.NetworkSpec) []swarm.IPAMConfig {
	if spec.IPAMOptions == nil {
		return nil
	}
	return spec.IPAMOptions.Configs
}

func split(s string) []string {
	return slices.DeleteFunc(strings.Split(s, ","), func(s string) bool { return s == "" })
}

// changes prints the allocations written after index.
func (w *world) changes(after uint64) string {
	events, _, ok := w.s.Events(after)
	if !ok {
		w.t.Fatalf("fell behind the feed")
	}
	var out strings.Builder
	for _, e := range events {
		if e.Table != store.Allocations.ID() {
			continue
		}
		if e.New == nil {
			fmt.Fprintf(&out, "%s: gone\n", w.names[e.Old.(*model.Allocation).Owner])
			continue
		}
		a := e.New.(*model.Allocation)
		fmt.Fprintf(&out, "%s:", w.names[a.Owner])
		for _, n := range a.Networks {
			fmt.Fprintf(&out, " %s via %s", n.Addr, n.Gateway)
		}
		for _, p := range a.Ports {
			fmt.Fprintf(&out, " %d->%d", p.PublishedPort, p.TargetPort)
			if p.Protocol != "" {
				fmt.Fprintf(&out, "/%s", p.Protocol)
			}
		}
		if a.VNI != 0 {
			fmt.Fprintf(&out, " vni %d", a.VNI)
		}
		if a.Done {
			out.WriteString(" done")
		}
		for _, s := range []string{a.Err, a.Warning(), a.Repaired()} {
			if s != "" {
				fmt.Fprintf(&out, " %s", s)
			}
		}
		out.WriteString("\n")
	}
	return out.String()
}
