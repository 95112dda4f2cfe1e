package validate

import (
	"time"

	"github.com/distribution/reference"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/api/httperr"
	"github.com/skep-org/skep/internal/manager/constraint"
	"github.com/skep-org/skep/internal/model"
)

// Service checks a filled spec, in swarm's order.
func Service(spec *swarm.ServiceSpec) error {
	if err := Name(spec.Name); err != nil {
		return err
	}
	for _, check := range []func(*swarm.ServiceSpec) error{
		resources, restart, placement, containerSpec, updates, ports, references,
	} {
		if err := check(spec); err != nil {
			return err
		}
	}
	return nil
}

// Swarm's smallest amounts.
const (
	minCPU    = 1_000_000 // nano
	minMemory = 4 << 20
)

func resources(spec *swarm.ServiceSpec) error {
	r := spec.TaskTemplate.Resources
	if r == nil {
		return nil
	}
	if l := r.Limits; l != nil {
		if err := amounts(l.NanoCPUs, l.MemoryBytes); err != nil {
			return err
		}
	}
	if v := r.Reservations; v != nil {
		return amounts(v.NanoCPUs, v.MemoryBytes)
	}
	return nil
}

func amounts(nanoCPUs, memory int64) error {
	if nanoCPUs != 0 && nanoCPUs < minCPU {
		return httperr.BadRequest("invalid cpu value %g: Must be at least %g", float64(nanoCPUs)/1e9, float64(minCPU)/1e9)
	}
	if memory != 0 && memory < minMemory {
		return httperr.BadRequest("invalid memory value %d: Must be at least 4MiB", memory)
	}
	return nil
}

func restart(spec *swarm.ServiceSpec) error {
	p := spec.TaskTemplate.RestartPolicy
	switch {
	case p == nil:
	case p.Delay != nil && *p.Delay < 0:
		return httperr.BadRequest("TaskSpec: restart-delay cannot be negative")
	case p.Window != nil && *p.Window < 0:
		return httperr.BadRequest("TaskSpec: restart-window cannot be negative")
	}
	return nil
}

func placement(spec *swarm.ServiceSpec) error {
	p := spec.TaskTemplate.Placement
	if p == nil {
		return nil
	}
	if _, err := constraint.Parse(p.Constraints); err != nil {
		// Docker answers 500 here.
		return httperr.New(500, "%s", err)
	}
	return nil
}

// Warnings are sentences about a valid spec that will hardly do what was meant.
func Warnings(spec *swarm.ServiceSpec) []string {
	p := spec.TaskTemplate.Placement
	if p == nil {
		return nil
	}
	var out []string
	constraints, err := constraint.Parse(p.Constraints)
	if err != nil {
		return nil
	}
	for _, c := range constraints {
		if !c.Known() {
			out = append(out, "constraint "+c.String()+": no node has this key, so tasks will stay pending; keys are node.id, node.hostname, "+
				"node.role, node.ip, node.platform.os, node.platform.arch, node.labels.* and engine.labels.*")
		}
	}
	return out
}

func containerSpec(spec *swarm.ServiceSpec) error {
	if spec.TaskTemplate.ContainerSpec == nil {
		return nil
	}
	c, err := expanded(spec)
	if err != nil {
		return err
	}
	if c.Image == "" {
		return httperr.BadRequest("ContainerSpec: image reference must be provided")
	}
	if _, err := reference.ParseNormalizedNamed(c.Image); err != nil {
		return httperr.BadRequest("ContainerSpec: %q is not a valid repository/tag", c.Image)
	}
	targets := map[string]bool{}
	for _, m := range c.Mounts {
		if targets[m.Target] {
			return httperr.BadRequest("ContainerSpec: duplicate mount point: %s", m.Target)
		}
		targets[m.Target] = true
	}
	return healthcheck(c.Healthcheck)
}

func healthcheck(h *container.HealthConfig) error {
	if h == nil {
		return nil
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"Interval", h.Interval}, {"Timeout", h.Timeout}, {"StartPeriod", h.StartPeriod}, {"StartInterval", h.StartInterval}} {
		if d.value != 0 && d.value < time.Millisecond {
			return httperr.BadRequest("ContainerSpec: %s in HealthConfig cannot be less than 1ms", d.name)
		}
	}
	if h.Retries < 0 {
		return httperr.BadRequest("ContainerSpec: Retries in HealthConfig cannot be negative")
	}
	return nil
}

func updates(spec *swarm.ServiceSpec) error {
	if model.IsJob(spec.Mode) && spec.UpdateConfig != nil {
		return httperr.BadRequest("Jobs may not have an update config") // swarm takes one for rollbacks, and leaves it alone
	}
	for _, u := range []*swarm.UpdateConfig{spec.UpdateConfig, spec.RollbackConfig} {
		switch {
		case u == nil:
		case u.Delay < 0:
			return httperr.BadRequest("TaskSpec: update-delay cannot be negative")
		case u.Monitor < 0:
			return httperr.BadRequest("TaskSpec: update-monitor cannot be negative")
		case u.MaxFailureRatio < 0 || u.MaxFailureRatio > 1:
			return httperr.BadRequest("TaskSpec: update-maxfailureratio cannot be less than 0 or bigger than 1")
		}
	}
	return nil
}

func ports(spec *swarm.ServiceSpec) error {
	e := spec.EndpointSpec
	if e == nil {
		return nil
	}
	type published struct {
		port     uint32
		protocol string
	}
	seen := map[published]bool{}
	for _, p := range e.Ports {
		if e.Mode == swarm.ResolutionModeDNSRR && p.PublishMode == swarm.PortConfigPublishModeIngress {
			return httperr.BadRequest("EndpointSpec: port published with ingress mode can't be used with dnsrr mode")
		}
		if err := portNumbers(p); err != nil {
			return err
		}
		key := published{p.PublishedPort, string(p.Protocol)}
		if p.PublishedPort != 0 && seen[key] {
			return httperr.BadRequest("EndpointSpec: duplicate published ports provided")
		}
		seen[key] = true
	}
	return nil
}

const maxPort = 65535

// portNumbers is stricter than swarm, which lets such a service wait for ever.
func portNumbers(p swarm.PortConfig) error {
	switch {
	case p.PublishedPort > maxPort:
		return httperr.BadRequest("EndpointSpec: published port %d is no port: they end at %d", p.PublishedPort, maxPort)
	case p.TargetPort > maxPort, p.TargetPort == 0 && p.PublishMode == swarm.PortConfigPublishModeIngress:
		return httperr.BadRequest("EndpointSpec: target port %d is no port: they are 1 to %d", p.TargetPort, maxPort)
	}
	return nil
}
