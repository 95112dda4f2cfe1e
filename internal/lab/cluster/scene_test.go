package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

func containsText(err error, text string) bool { return strings.Contains(err.Error(), text) }

// scene is all there is at one time: what managers tell and what engines run.
type scene struct {
	services   []swarm.Service
	tasks      map[string]swarm.Task
	nodes      map[string]string // names by id
	containers map[string][]container.InspectResponse
	wrong      []string // nodes that are not as they are to be, managers that disagree
}

// look asks every manager and every engine.
func look(ctx context.Context, f *fixture) (scene, error) {
	s := scene{tasks: map[string]swarm.Task{}, nodes: map[string]string{}, containers: map[string][]container.InspectResponse{}}
	// Containers first: a task that began meanwhile is no stranger.
	for _, h := range f.Hosts() {
		list, err := h.Engine().ContainerList(ctx, client.ContainerListOptions{Filters: client.Filters{}.Add("label", "com.docker.swarm.task.id")})
		if err != nil {
			return s, fmt.Errorf("asking the engine of %s: %w", h.Name, err)
		}
		for _, c := range list.Items {
			r, err := h.Engine().ContainerInspect(ctx, c.ID, client.ContainerInspectOptions{})
			if err != nil {
				return s, fmt.Errorf("asking the engine of %s: %w", h.Name, err)
			}
			s.containers[h.Name] = append(s.containers[h.Name], r.Container)
		}
	}
	for i, m := range []string{"m1", "m2", "m3"} {
		api := f.Host(m).Docker()
		services, err := api.ServiceList(ctx, client.ServiceListOptions{})
		if err != nil {
			return s, fmt.Errorf("asking %s: %w", m, err)
		}
		nodes, err := api.NodeList(ctx, client.NodeListOptions{})
		if err != nil {
			return s, fmt.Errorf("asking %s: %w", m, err)
		}
		if i > 0 && !slices.EqualFunc(services.Items, s.services, func(a, b swarm.Service) bool { return a.ID == b.ID && a.Version == b.Version }) {
			s.wrong = append(s.wrong, m+" tells of other services than m1")
		}
		s.services = services.Items
		for _, n := range nodes.Items {
			s.nodes[n.ID] = n.Description.Hostname
			if n.Status.State != swarm.NodeStateReady || n.ManagerStatus != nil && n.ManagerStatus.Reachability != swarm.ReachabilityReachable {
				s.wrong = append(s.wrong, fmt.Sprintf("%s says that %s is %s, as a manager %+v", m, n.Description.Hostname, n.Status.State, n.ManagerStatus))
			}
		}
	}
	tasks, err := f.Host("m2").Docker().TaskList(ctx, client.TaskListOptions{})
	if err != nil {
		return s, fmt.Errorf("asking m2: %w", err)
	}
	for _, t := range tasks.Items {
		s.tasks[t.ID] = t
	}
	return s, nil
}

// problems compares the scene with what the users want.
func (s scene) problems(users []*user) []string {
	p := slices.Clone(s.wrong)
	want := map[string]version{}
	for _, u := range users {
		if u.acked != nil {
			want[u.service] = *u.acked
		}
	}
	names := map[string]string{}
	for _, svc := range s.services {
		names[svc.ID] = svc.Spec.Name
		if v, ok := want[svc.Spec.Name]; !ok || !v.is(svc.Spec) {
			p = append(p, fmt.Sprintf("service %s is to be %v (%v) and is %d of %v", svc.Spec.Name, v, ok, *svc.Spec.Mode.Replicated.Replicas, svc.Spec.TaskTemplate.ContainerSpec.Env))
		}
	}
	for name := range want {
		if !slices.ContainsFunc(s.services, func(svc swarm.Service) bool { return svc.Spec.Name == name }) {
			p = append(p, "there is no service "+name)
		}
	}
	return append(append(p, s.taskProblems(names, want)...), s.containerProblems(names, want)...)
}

// taskProblems counts what is to run and what does.
func (s scene) taskProblems(names map[string]string, want map[string]version) (p []string) {
	wanted, slots := map[string]uint64{}, map[string]string{}
	for id, t := range s.tasks {
		if t.DesiredState != swarm.TaskStateRunning {
			if t.Status.State == swarm.TaskStateRunning {
				p = append(p, fmt.Sprintf("task %s on %s is to be %s and runs", id, s.nodes[t.NodeID], t.DesiredState))
			}
			continue
		}
		wanted[names[t.ServiceID]]++
		slot := fmt.Sprintf("slot %d of %s", t.Slot, names[t.ServiceID])
		if other := slots[slot]; other != "" {
			p = append(p, slot+" has two tasks that are to run: "+other+", "+id)
		}
		slots[slot] = id
		if t.Status.State != swarm.TaskStateRunning {
			p = append(p, fmt.Sprintf("task %s, %s, on %s, is %s: %s %s", id, slot, s.nodes[t.NodeID], t.Status.State, t.Status.Message, t.Status.Err))
		}
	}
	for name, v := range want {
		if wanted[name] != v.replicas {
			p = append(p, fmt.Sprintf("%d tasks of %s are to run, wanted are %d", wanted[name], name, v.replicas))
		}
	}
	return p
}

// containerProblems holds every engine to the tasks of its node, and every task to have its container.
func (s scene) containerProblems(names map[string]string, want map[string]version) (p []string) {
	runs := map[string]bool{}
	for host, list := range s.containers {
		for _, c := range list {
			id := c.Config.Labels["com.docker.swarm.task.id"]
			t, ok := s.tasks[id]
			what := fmt.Sprintf("container %s on %s", c.Name, host)
			switch {
			case !ok:
				p = append(p, what+" belongs to no task")
			case s.nodes[t.NodeID] != host:
				p = append(p, what+" is of a task on "+s.nodes[t.NodeID])
			case t.DesiredState != swarm.TaskStateRunning:
				p = append(p, what+" runs, its task is to be "+string(t.DesiredState))
			case runs[id]:
				p = append(p, what+" is not the only one of its task")
			case !slices.Contains(c.Config.Env, want[names[t.ServiceID]].env()):
				p = append(p, fmt.Sprintf("%s has %v, wanted is %v", what, c.Config.Env, want[names[t.ServiceID]]))
			}
			runs[id] = true
		}
	}
	for id, t := range s.tasks {
		if t.DesiredState == swarm.TaskStateRunning && t.Status.State == swarm.TaskStateRunning && !runs[id] {
			p = append(p, fmt.Sprintf("task %s of %s runs on %s and has no container there", id, names[t.ServiceID], s.nodes[t.NodeID]))
		}
	}
	return p
}
