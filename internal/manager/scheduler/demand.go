package scheduler

import (
	"slices"
	"strings"

	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/manager/constraint"
	"github.com/skep-org/skep/internal/manager/resources"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/model/dependency"
	"github.com/skep-org/skep/internal/model/placement"
	"github.com/skep-org/skep/internal/network"
	"github.com/skep-org/skep/internal/store"
)

// demand is what every task of one revision asks. But for the number of its users, and where the service's tasks are, it is
// immutable.
type demand struct {
	*profile
	*beyond
	revision model.ID
	users    int // tasks and groups that point to it
	present  *presence
	created  int64 // when the revision was made
}

// beyond is what few revisions ask; those that ask nothing of it share one.
type beyond struct {
	volumes      []string // see localVolumes
	mounts       []clusterMount
	dependencies dependency.Set
}

// wish is a demand that was read of a revision, without what the revisions of a cluster share.
type wish struct {
	beyond
	asks    asks
	service model.ID
	created int64
}

// wishOf reads a revision; nil, when it is gone already, asks for nothing.
func wishOf(v store.View, rev *model.ServiceRevision) wish {
	if rev == nil {
		return wish{}
	}
	spec := rev.Spec.Get()
	task := &spec.TaskTemplate
	w := wish{service: rev.ServiceID, created: rev.Created,
		beyond: beyond{localVolumes(task), clusterMounts(task), dependency.Of(spec.Annotations)},
		asks: asks{plugins: pluginsOf(v, task), encrypted: onEncrypted(v, spec), resources: resources.Reserved(task),
			pack: placement.Of(spec.Labels) == placement.Binpack}}
	if spec.EndpointSpec != nil {
		for _, p := range spec.EndpointSpec.Ports {
			if p.PublishMode == swarm.PortConfigPublishModeHost && p.PublishedPort != 0 {
				w.asks.ports = append(w.asks.ports, hostPort{orTCP(p), p.PublishedPort})
			}
		}
	}
	if p := task.Placement; p != nil {
		w.asks.place(p)
	}
	return w
}

func (a *asks) place(p *swarm.Placement) {
	var err error
	a.constraints, err = constraint.Parse(p.Constraints)
	a.impossible = err != nil
	a.platforms, a.maxReplicas = p.Platforms, p.MaxReplicas
	for _, pref := range p.Preferences {
		if pref.Spread != nil {
			a.spread = append(a.spread, pref.Spread.SpreadDescriptor)
		}
	}
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

// onEncrypted says whether a service's tasks are on an encrypted network: one that it names, or the ingress network because of
// the ports it publishes.
func onEncrypted(v store.View, spec *swarm.ServiceSpec) bool {
	for _, n := range spec.TaskTemplate.Networks {
		if id, err := model.ParseID(n.Target); err == nil && !id.IsZero() {
			if row := store.Networks.ByID(v, id); row != nil && network.Encrypts(row.Spec.Get()) {
				return true
			}
		}
	}
	if spec.EndpointSpec == nil || !slices.ContainsFunc(spec.EndpointSpec.Ports, func(p swarm.PortConfig) bool { return p.PublishMode != swarm.PortConfigPublishModeHost }) {
		return false
	}
	for row := range store.Networks.All(v) {
		if s := row.Spec.Get(); s.Ingress && network.Encrypts(s) {
			return true
		}
	}
	return false
}

// untagged makes "name" and "name:latest" the same plugin.
func untagged(name string) string { return strings.TrimSuffix(name, ":latest") }
