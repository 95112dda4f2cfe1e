package scheduler

import (
	"strings"

	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/manager/constraint"
	"github.com/skep-org/skep/internal/manager/resources"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/model/dependency"
	"github.com/skep-org/skep/internal/store"
)

// demand is what every task of one revision asks of a node. But for the number of its users it is immutable.
type demand struct {
	revision    model.ID
	users       int // tasks and groups that point to it
	service     model.ID
	resources   resources.Amounts
	ports       []hostPort
	plugins     []plugin
	constraints []constraint.Constraint
	impossible  bool // a constraint cannot be read: no node satisfies it
	platforms   []swarm.Platform
	maxReplicas uint64
	spread      []string
	volumes     []string // see localVolumes

	dependencies dependency.Set
}

// demandOf reads a revision; nil, when it is gone already, asks for nothing.
func demandOf(v store.View, rev *model.ServiceRevision) *demand {
	if rev == nil {
		return &demand{}
	}
	spec := rev.Spec.Get()
	task := &spec.TaskTemplate
	d := &demand{service: rev.ServiceID, plugins: pluginsOf(v, task), volumes: localVolumes(task), resources: resources.Reserved(task)}
	d.dependencies = dependency.Of(spec.Annotations)
	if spec.EndpointSpec != nil {
		for _, p := range spec.EndpointSpec.Ports {
			if p.PublishMode == swarm.PortConfigPublishModeHost && p.PublishedPort != 0 {
				d.ports = append(d.ports, hostPort{orTCP(p), p.PublishedPort})
			}
		}
	}
	if p := task.Placement; p != nil {
		var err error
		d.constraints, err = constraint.Parse(p.Constraints)
		d.impossible = err != nil
		d.platforms, d.maxReplicas = p.Platforms, p.MaxReplicas
		for _, pref := range p.Preferences {
			if pref.Spread != nil {
				d.spread = append(d.spread, pref.Spread.SpreadDescriptor)
			}
		}
	}
	return d
}

// pluginsOf lists the plugins a task cannot do without: skep brings the overlay driver itself, every engine has the
// local volume driver.
func pluginsOf(v store.View, task *swarm.TaskSpec) []plugin {
	var out []plugin
	if task.ContainerSpec != nil {
		for _, m := range task.ContainerSpec.Mounts {
			if m.Type == mount.TypeVolume && m.VolumeOptions != nil && m.VolumeOptions.DriverConfig != nil {
				if name := m.VolumeOptions.DriverConfig.Name; name != "" && name != "local" {
					out = append(out, plugin{"Volume", untagged(name)})
				}
			}
		}
	}
	for _, n := range task.Networks {
		id, err := model.ParseID(n.Target)
		if err != nil || id.IsZero() {
			continue
		}
		row := store.Networks.ByID(v, id)
		if row == nil || row.Spec.Get().DriverConfiguration == nil {
			continue
		}
		if name := row.Spec.Get().DriverConfiguration.Name; name != "" && name != "overlay" {
			out = append(out, plugin{"Network", untagged(name)})
		}
	}
	if task.LogDriver != nil && task.LogDriver.Name != "" && task.LogDriver.Name != "none" {
		out = append(out, plugin{"Log", untagged(task.LogDriver.Name)})
	}
	return out
}

// untagged makes "name" and "name:latest" the same plugin.
func untagged(name string) string { return strings.TrimSuffix(name, ":latest") }
