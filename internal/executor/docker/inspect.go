package docker

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/model"
)

// inspectLimit bounds a look at a container that several callers wait for.
const inspectLimit = 30 * time.Second

// inspect asks the engine for a container and remembers it.
func (e *Executor) inspect(ctx context.Context, id string) (executor.Container, container.InspectResponse, error) {
	answer, err := e.api.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return executor.Container{}, container.InspectResponse{}, failed("inspecting container "+id, called(err))
	}
	c, err := containerOf(answer.Container)
	if err != nil {
		return executor.Container{}, container.InspectResponse{}, err
	}
	c.Ports = append(c.Ports, e.plane.HostPorts(c.TaskID)...)
	e.known.put(c)
	return c, answer.Container, nil
}

// started returns what a start made of a container. The call that started it and the event that tells of it both want
// to know, at the same time: the engine is asked once.
func (e *Executor) started(ctx context.Context, task model.ID, id string) (executor.Container, error) {
	if c, ok := e.known.get(task); ok && c.ID == id && c.Phase == executor.Running && c.PID != 0 {
		return c, nil
	}
	result := e.inspects.DoChan(id, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), inspectLimit)
		defer cancel()
		c, _, err := e.inspect(ctx, id)
		return c, err
	})
	select {
	case r := <-result:
		return r.Val.(executor.Container), r.Err
	case <-ctx.Done():
		return executor.Container{}, failed("inspecting container "+id, called(ctx.Err()))
	}
}

func containerOf(r container.InspectResponse) (executor.Container, error) {
	if r.State == nil || r.Config == nil {
		return executor.Container{}, fmt.Errorf("inspecting container %s: the engine's answer has no state or no configuration", r.ID)
	}
	task, ok := taskOf(r.Config.Labels)
	if !ok {
		return executor.Container{}, fmt.Errorf("container %s is not a task's: its label %s says %q", r.ID, executor.LabelTaskID, r.Config.Labels[executor.LabelTaskID])
	}
	c := executor.Container{
		TaskID: task, ID: r.ID, Phase: phaseOf(r.State.Status), PID: r.State.Pid, ExitCode: r.State.ExitCode,
		OOMKilled: r.State.OOMKilled, Err: r.State.Error,
	}
	if h := r.State.Health; h != nil {
		c.Health = healthOf(h.Status)
		if n := len(h.Log); n > 0 && h.Log[n-1].ExitCode != 0 {
			c.HealthLog = h.Log[n-1].Output
		}
	}
	if r.NetworkSettings != nil {
		c.Ports = portsOf(r.NetworkSettings.Ports)
	}
	return c, nil
}

func phaseOf(s container.ContainerState) executor.Phase {
	switch s {
	case container.StateCreated:
		return executor.Created
	case container.StateRunning, container.StatePaused, container.StateRestarting:
		return executor.Running
	}
	return executor.Exited // also one being removed, or that could not be removed
}

func healthOf(s container.HealthStatus) executor.Health {
	switch s {
	case container.Starting:
		return executor.HealthStarting
	case container.Healthy:
		return executor.Healthy
	case container.Unhealthy:
		return executor.Unhealthy
	}
	return executor.NoCheck
}

// portsOf lists what was bound; the engine tells a port twice when it is bound for IPv4 and IPv6.
func portsOf(bound network.PortMap) []swarm.PortConfig {
	var ports []swarm.PortConfig
	for port, bindings := range bound {
		for _, b := range bindings {
			var published uint32
			if _, err := fmt.Sscan(b.HostPort, &published); err != nil {
				continue
			}
			p := swarm.PortConfig{
				Protocol: port.Proto(), TargetPort: uint32(port.Num()), PublishedPort: published,
				PublishMode: swarm.PortConfigPublishModeHost,
			}
			if !slices.Contains(ports, p) {
				ports = append(ports, p)
			}
		}
	}
	slices.SortFunc(ports, swarm.PortConfig.Compare)
	return ports
}
