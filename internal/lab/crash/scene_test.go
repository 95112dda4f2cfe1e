package crash

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/executor/docker"
)

// historyLimit is how many tasks of a slot a cluster keeps unless told otherwise.
const historyLimit = 5

// scene is all there is at one time: what the API tells and what the engine has.
type scene struct {
	services   []swarm.Service
	tasks      map[string]swarm.Task
	containers []container.InspectResponse // of tasks
	networks   map[string]string           // the cluster's, names by id
	bridges    []network.Summary           // what stands for them on the engine
}

func (d *daemon) scene(ctx context.Context) (scene, error) {
	s := scene{tasks: map[string]swarm.Task{}, networks: map[string]string{}}
	services, err := d.api.ServiceList(ctx, client.ServiceListOptions{})
	if err != nil {
		return s, fmt.Errorf("listing services: %w", err)
	}
	s.services = services.Items
	// Containers first: a task that began meanwhile is no stranger.
	list, err := d.engine.Client().ContainerList(ctx, client.ContainerListOptions{
		All: true, Filters: client.Filters{}.Add("label", executor.LabelTaskID),
	})
	if err != nil {
		return s, fmt.Errorf("listing the engine's containers: %w", err)
	}
	for _, c := range list.Items {
		r, err := d.engine.Client().ContainerInspect(ctx, c.ID, client.ContainerInspectOptions{})
		if err != nil {
			return s, fmt.Errorf("inspecting a container: %w", err)
		}
		s.containers = append(s.containers, r.Container)
	}
	tasks, err := d.api.TaskList(ctx, client.TaskListOptions{})
	if err != nil {
		return s, fmt.Errorf("listing tasks: %w", err)
	}
	for _, t := range tasks.Items {
		s.tasks[t.ID] = t
	}
	return s, s.addNetworks(ctx, d)
}

func (s *scene) addNetworks(ctx context.Context, d *daemon) error {
	bridges, err := d.engine.Client().NetworkList(ctx, client.NetworkListOptions{Filters: client.Filters{}.Add("label", docker.LabelNetworkID)})
	if err != nil {
		return fmt.Errorf("listing the engine's networks: %w", err)
	}
	s.bridges = bridges.Items
	networks, err := d.api.NetworkList(ctx, client.NetworkListOptions{Filters: client.Filters{}.Add("driver", "overlay")})
	if err != nil {
		return fmt.Errorf("listing the cluster's networks: %w", err)
	}
	for _, n := range networks.Items {
		s.networks[n.ID] = n.Name
	}
	return nil
}

// ids are the running containers of a service with the time each was started.
func (s scene) ids(service string) map[string]string {
	out := map[string]string{}
	for _, c := range s.containers {
		if c.State.Running && c.Config.Labels[executor.LabelServiceName] == service {
			out[c.ID] = c.State.StartedAt
		}
	}
	return out
}

// problems compares a scene with what is wanted; none means that everything has settled as asked.
func (s scene) problems(want map[string]wanted, networks ...string) []string {
	p := append(s.serviceProblems(want), s.networkProblems(networks)...)
	p = append(p, s.taskProblems()...)
	p = append(p, s.containerProblems(want)...)
	slices.Sort(p)
	return p
}

func (s scene) serviceProblems(want map[string]wanted) (p []string) {
	left := maps.Clone(want)
	for _, svc := range s.services {
		w, ok := left[svc.Spec.Name]
		delete(left, svc.Spec.Name)
		switch {
		case !ok:
			p = append(p, "nobody wants service "+svc.Spec.Name)
		case !w.is(svc.Spec):
			p = append(p, fmt.Sprintf("service %s is to be %v and is %+v", w.name, w, svc.Spec))
		case svc.UpdateStatus != nil && svc.UpdateStatus.State != swarm.UpdateStateCompleted:
			p = append(p, fmt.Sprintf("the update of service %s is %s: %s", w.name, svc.UpdateStatus.State, svc.UpdateStatus.Message))
		}
	}
	for name := range left {
		p = append(p, "there is no service "+name)
	}
	return p
}

// networkProblems compares the networks but for the one every cluster has.
func (s scene) networkProblems(want []string) (p []string) {
	got := slices.DeleteFunc(slices.Sorted(maps.Values(s.networks)), func(name string) bool { return name == "ingress" })
	if !slices.Equal(got, slices.Sorted(slices.Values(want))) {
		p = append(p, fmt.Sprintf("the cluster has the networks %v, wanted %v", got, want))
	}
	seen := map[string]bool{}
	for _, b := range s.bridges {
		id := b.Labels[docker.LabelNetworkID]
		if s.networks[id] == "" || seen[id] {
			p = append(p, fmt.Sprintf("the engine's network %s (%s) stands for no network of the cluster, or is a second one", b.Name, id))
		}
		seen[id] = true
	}
	return p
}

// taskProblems finds tasks that have not come where they are to be, and those that failed: nothing here gives them
// a reason to.
func (s scene) taskProblems() (p []string) {
	known := map[string]bool{}
	for _, svc := range s.services {
		known[svc.ID] = true
	}
	slots := map[string]int{}
	for id, t := range s.tasks {
		slot := fmt.Sprintf("slot %d of %s on %s", t.Slot, t.ServiceID, t.NodeID)
		if slots[slot]++; slots[slot] == historyLimit+2 {
			p = append(p, slot+" has more tasks than are kept of its history")
		}
		what := fmt.Sprintf("task %s of slot %d of %s is to be %s and is %s (%s) %s", id, t.Slot, t.ServiceID, t.DesiredState, t.Status.State, t.Status.Message, t.Status.Err)
		switch t.Status.State {
		case swarm.TaskStateRunning:
			if t.DesiredState != swarm.TaskStateRunning {
				p = append(p, "not ended: "+what)
			}
		case swarm.TaskStateShutdown, swarm.TaskStateRemove:
			if t.DesiredState == swarm.TaskStateRunning {
				p = append(p, "not replaced: "+what)
			}
		default:
			p = append(p, "stuck or failed: "+what)
		}
		if !known[t.ServiceID] {
			p = append(p, "left over: "+what)
		}
	}
	return p
}

// containerProblems holds the engine to what is wanted.
func (s scene) containerProblems(want map[string]wanted) (p []string) {
	running, slots := map[string]int{}, map[string]string{}
	for _, c := range s.containers {
		task, ok := s.tasks[c.Config.Labels[executor.LabelTaskID]]
		if !ok {
			p = append(p, fmt.Sprintf("container %s (%s) belongs to no task", c.Name, c.State.Status))
			continue
		}
		if !c.State.Running {
			continue // history, also one that was prepared and then not wanted any more
		}
		name := c.Config.Labels[executor.LabelServiceName]
		running[name]++
		if w := want[name]; c.Config.Image != image(w.version) && !strings.HasPrefix(c.Config.Image, image(w.version)+"@") || !slices.Contains(c.Config.Env, w.env()) {
			p = append(p, fmt.Sprintf("container %s has image %s and %v, wanted %v", c.Name, c.Config.Image, c.Config.Env, w))
		}
		slot := fmt.Sprintf("slot %d of %s", task.Slot, name)
		if other := slots[slot]; other != "" {
			p = append(p, fmt.Sprintf("%s runs twice: %s and %s", slot, other, c.Name))
		}
		slots[slot] = c.Name
		if st := task.Status.ContainerStatus; st == nil || st.ContainerID != c.ID {
			p = append(p, fmt.Sprintf("task %s does not tell its container %s: %+v", task.ID, c.ID, st))
		}
	}
	for name, w := range want {
		if running[name] != w.tasks() {
			p = append(p, fmt.Sprintf("service %s has %d running containers, wanted %d", name, running[name], w.tasks()))
		}
		delete(running, name)
	}
	for name, n := range running {
		p = append(p, fmt.Sprintf("%d containers of %s run and nobody wants that service", n, name))
	}
	return p
}

// settles waits until the scene is as wanted, and reports what is not when it does not become so.
func (d *daemon) settles(want map[string]wanted, networks ...string) scene {
	d.t.Helper()
	for deadline := time.Now().Add(settleLimit); ; time.Sleep(50 * time.Millisecond) {
		s, err := d.scene(d.t.Context())
		p := s.problems(want, networks...)
		if err != nil {
			p = []string{err.Error()}
		}
		if len(p) == 0 {
			return s
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("after %v not everything is as wanted:\n%s", settleLimit, strings.Join(p, "\n"))
		}
	}
}
