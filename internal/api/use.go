package api

import (
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/api/find"
	"github.com/skep-org/skep/internal/api/render"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// users are who refers to an object.
type users struct {
	services  []string // names of the services whose spec does, asked for or active
	serviceID model.ID // the first of them
	task      model.ID // a task of a service that is there, running or to run
}

// usersOf finds who refers to an object.
func usersOf(v store.View, refers func(*swarm.ServiceSpec) bool) users {
	var out users
	matching := map[model.ID]bool{}
	for rev := range store.Revisions.All(v) {
		if refers(rev.Spec.Get()) {
			matching[rev.ID] = true
		}
	}
	if len(matching) == 0 {
		return out
	}
	for s := range store.Services.All(v) {
		now := current(v, s)
		if matching[s.Revision] || now != nil && matching[now.ID] {
			if out.serviceID.IsZero() {
				out.serviceID = s.ID
			}
			out.services = append(out.services, s.Name)
		}
	}
	for t := range store.Tasks.All(v) {
		if matching[t.Revision] && store.Services.ByID(v, t.ServiceID) != nil && !render.Observe(v, t).State.Terminal() {
			out.task = t.ID
			break
		}
	}
	return out
}

func refersToSecret(id model.ID) func(*swarm.ServiceSpec) bool {
	text := id.String()
	return func(spec *swarm.ServiceSpec) bool {
		if c := spec.TaskTemplate.ContainerSpec; c != nil {
			for _, ref := range c.Secrets {
				if ref != nil && ref.SecretID == text {
					return true
				}
			}
		}
		return false
	}
}

func refersToConfig(id model.ID) func(*swarm.ServiceSpec) bool {
	text := id.String()
	return func(spec *swarm.ServiceSpec) bool {
		if c := spec.TaskTemplate.ContainerSpec; c != nil {
			for _, ref := range c.Configs {
				if ref != nil && ref.ConfigID == text {
					return true
				}
			}
		}
		return false
	}
}

// refersToNetwork: a service is on the routing mesh's network by publishing a port there.
func refersToNetwork(v store.View, id model.ID) func(*swarm.ServiceSpec) bool {
	text := id.String()
	ingress := store.IngressNetwork(v)
	mesh := ingress != nil && ingress.ID == id
	return func(spec *swarm.ServiceSpec) bool {
		if mesh && len(store.MeshPorts(spec)) > 0 {
			return true
		}
		for _, n := range spec.TaskTemplate.Networks {
			if n.Target == text {
				return true
			}
		}
		return false
	}
}

// exactNetwork finds a cluster network by its id or name, not by a prefix: the engine's names come before.
func exactNetwork(v store.View, ref string) *model.Network {
	row, err := find.Network(v, ref)
	if err != nil || row.Name != ref && row.ID.String() != ref {
		return nil
	}
	return row
}
