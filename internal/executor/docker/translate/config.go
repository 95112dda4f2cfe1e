package translate

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/executor"
)

// config is the portable part.
func config(t *executor.Task, spec *swarm.ContainerSpec) (*container.Config, error) {
	exposed, err := exposedPorts(t.Ports)
	if err != nil {
		return nil, err
	}
	c := &container.Config{
		Image:        Image(t.Image),
		Labels:       labels(t, spec.Labels),
		Env:          append(slices.Clone(spec.Env), genericEnv(t.Generic)...),
		WorkingDir:   spec.Dir,
		User:         spec.User,
		Hostname:     spec.Hostname,
		Tty:          spec.TTY,
		OpenStdin:    spec.OpenStdin,
		StopSignal:   spec.StopSignal,
		StopTimeout:  seconds(spec.StopGracePeriod),
		Healthcheck:  spec.Healthcheck,
		ExposedPorts: exposed,
		// A command replaces the image's entrypoint, arguments alone only what the image passes to it.
		Entrypoint: slices.Clone(spec.Command),
		Cmd:        slices.Clone(spec.Args),
	}
	if t.Image == "" {
		c.Image = Image(spec.Image)
	}
	return c, nil
}

// labels are the user's and, winning over them, those by which a task's container is known.
func labels(t *executor.Task, user map[string]string) map[string]string {
	l := make(map[string]string, len(user)+6)
	maps.Copy(l, user)
	l[executor.LabelTask] = ""
	l[executor.LabelTaskID] = t.ID.String()
	l[executor.LabelTaskName] = t.Name()
	l[executor.LabelNodeID] = t.NodeID.String()
	l[executor.LabelServiceID] = t.ServiceID.String()
	l[executor.LabelServiceName] = t.ServiceName
	return l
}

// genericEnv tells a task what of the node's generic resources is its own: the count, or the values.
func genericEnv(assigned []swarm.GenericResource) []string {
	values := map[string][]string{}
	for _, g := range assigned {
		if n := g.NamedResourceSpec; n != nil {
			values[n.Kind] = append(values[n.Kind], n.Value)
		}
		if d := g.DiscreteResourceSpec; d != nil {
			values[d.Kind] = append(values[d.Kind], fmt.Sprint(d.Value))
		}
	}
	var env []string
	for _, kind := range slices.Sorted(maps.Keys(values)) {
		env = append(env, "DOCKER_RESOURCE_"+strings.ToUpper(kind)+"="+strings.Join(values[kind], ","))
	}
	return env
}

// seconds rounds up: the engine counts whole seconds, and a container gets at least the grace it was promised.
func seconds(d *time.Duration) *int {
	if d == nil {
		return nil
	}
	s := int(math.Ceil(d.Seconds()))
	return &s
}

func exposedPorts(ports []swarm.PortConfig) (network.PortSet, error) {
	if len(ports) == 0 {
		return nil, nil
	}
	set := make(network.PortSet, len(ports))
	for _, p := range ports {
		port, err := portOf(p)
		if err != nil {
			return nil, err
		}
		set[port] = struct{}{}
	}
	return set, nil
}

// portBindings publishes ports on the node; a published port of 0 lets the engine choose.
func portBindings(t *executor.Task) (network.PortMap, error) {
	if len(t.Ports) == 0 {
		return nil, nil
	}
	bindings := make(network.PortMap, len(t.Ports))
	for _, p := range t.Ports {
		port, err := portOf(p)
		if err != nil {
			return nil, err
		}
		binding := network.PortBinding{HostIP: hostIP(t, p)}
		if p.PublishedPort != 0 {
			binding.HostPort = fmt.Sprint(p.PublishedPort)
		}
		bindings[port] = append(bindings[port], binding)
	}
	return bindings, nil
}

func portOf(p swarm.PortConfig) (network.Port, error) {
	protocol := p.Protocol
	if protocol == "" {
		protocol = network.TCP
	}
	if p.TargetPort == 0 || p.TargetPort > math.MaxUint16 || p.PublishedPort > math.MaxUint16 {
		return network.Port{}, fmt.Errorf("port %d:%d/%s: port numbers go from 1 to 65535", p.PublishedPort, p.TargetPort, protocol)
	}
	port, _ := network.PortFrom(uint16(p.TargetPort), protocol)
	return port, nil
}
