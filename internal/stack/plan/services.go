package plan

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/model/privilege"
	"github.com/skep-org/skep/internal/stack"
)

func (m *maker) services() {
	for _, spec := range dependenciesFirst(m.stack.Services) {
		m.allowed(spec)
		there := find(m.now.Services, spec.Name, serviceName)
		switch {
		case there == nil:
			m.image(&spec, nil)
			m.refer(&spec)
			m.Create = append(m.Create, spec)
			m.note(spec)
		case !m.ours(there.Spec.Labels):
			m.problem("service %s is there and not the stack's: remove it, or give the stack another name", spec.Name)
		case model.ModeName(spec.Mode) != model.ModeName(there.Spec.Mode):
			m.problem("service %s is %s in the cluster and %s in the file, and the mode of a service cannot change: remove it first, with docker service rm %s",
				spec.Name, model.ModeName(there.Spec.Mode), model.ModeName(spec.Mode), spec.Name)
		default:
			m.image(&spec, &there.Spec)
			m.refer(&spec)
			m.note(spec)
			spec.TaskTemplate.ForceUpdate = there.Spec.TaskTemplate.ForceUpdate // or what was forced once would be undone
			m.update(*there, spec)
		}
	}
	m.prune()
}

// note keeps what is deployed of a service.
func (m *maker) note(spec swarm.ServiceSpec) {
	m.Stack.Services = append(m.Stack.Services, (&Plan{}).Referring(spec))
}

func (m *maker) update(there swarm.Service, spec swarm.ServiceSpec) {
	if Same(spec, there.Spec, names(m.now.Networks)) {
		m.Same = append(m.Same, there)
		return
	}
	there.Spec = spec
	m.Update = append(m.Update, there)
}

// refer writes the ids of secrets and configs that are there into a spec, under the names they have.
func (m *maker) refer(spec *swarm.ServiceSpec) {
	c := *spec.TaskTemplate.ContainerSpec
	c.Secrets, c.Configs = slices.Clone(c.Secrets), slices.Clone(c.Configs)
	for i, ref := range c.Secrets {
		r := *ref
		r.SecretName = cmp.Or(m.renamed[r.SecretName], r.SecretName)
		c.Secrets[i] = &r
	}
	for i, ref := range c.Configs {
		r := *ref
		r.ConfigName = cmp.Or(m.renamed[r.ConfigName], r.ConfigName)
		c.Configs[i] = &r
	}
	spec.TaskTemplate.ContainerSpec = &c
	*spec = m.Referring(*spec)
}

// Referring is a spec with the ids of all secrets and configs that are there by now.
func (p *Plan) Referring(spec swarm.ServiceSpec) swarm.ServiceSpec {
	c := *spec.TaskTemplate.ContainerSpec
	c.Secrets, c.Configs = slices.Clone(c.Secrets), slices.Clone(c.Configs)
	for i, ref := range c.Secrets {
		r := *ref
		r.SecretID = p.SecretIDs[r.SecretName]
		c.Secrets[i] = &r
	}
	for i, ref := range c.Configs {
		r := *ref
		r.ConfigID = p.ConfigIDs[r.ConfigName]
		c.Configs[i] = &r
	}
	spec.TaskTemplate.ContainerSpec = &c
	return spec
}

// allowed asks the policy ahead of the cluster, which would refuse after others were made.
func (m *maker) allowed(spec swarm.ServiceSpec) {
	if m.now.Policy == nil {
		return
	}
	settings, err := privilege.Parse(spec.Labels)
	if err == nil {
		err = m.now.Policy.Check(spec.Name, settings)
	}
	var refused *privilege.RefusedError
	switch {
	case errors.As(err, &refused):
		m.problem("%s", refused)
	case err != nil:
		m.problem("service %s: %s", spec.Name, err)
	}
}

func (m *maker) prune() {
	for _, there := range m.now.Services {
		if !m.ours(there.Spec.Labels) || slices.ContainsFunc(m.stack.Services, func(s swarm.ServiceSpec) bool { return s.Name == there.Spec.Name }) {
			continue
		}
		if m.options.Prune {
			m.Prune = append(m.Prune, there)
		} else {
			m.warn("service %s is the stack's and %s: --prune removes it", there.Spec.Name, cmp.Or(m.options.Beside, "in the files no more"))
		}
	}
}

// names are those of networks by their ids.
func names(networks []network.Summary) map[string]string {
	out := map[string]string{}
	for _, n := range networks {
		out[n.ID] = n.Name
	}
	return out
}

func serviceName(s *swarm.Service) string { return s.Spec.Name }

// ports finds those of the routing mesh that two services ask for.
func (m *maker) ports() {
	others := slices.DeleteFunc(slices.Clone(m.now.Services), func(there swarm.Service) bool {
		ours := m.ours(there.Spec.Labels) && slices.ContainsFunc(m.stack.Services, func(s swarm.ServiceSpec) bool { return s.Name == there.Spec.Name })
		return ours || slices.ContainsFunc(m.Prune, func(s swarm.Service) bool { return s.ID == there.ID })
	})
	for _, c := range PortConflicts(others, m.stack.Services) {
		m.problem("service %s cannot publish port %s, which service %s publishes: choose another", c.Service, c.Port, c.Holder)
	}
}

// PortConflict is a port of the routing mesh that a service asks for and another one has.
type PortConflict struct{ Service, Port, Holder string }

// PortConflicts finds the ports that services cannot have for others that are there, or for each other: each is one service's.
func PortConflicts(there []swarm.Service, asked []swarm.ServiceSpec) []PortConflict {
	holders := map[string]string{}
	var out []PortConflict
	take := func(spec swarm.ServiceSpec, check bool) {
		if spec.EndpointSpec == nil {
			return
		}
		for _, p := range spec.EndpointSpec.Ports {
			port := fmt.Sprintf("%d/%s", p.PublishedPort, cmp.Or(p.Protocol, network.TCP))
			if p.PublishedPort == 0 || p.PublishMode == swarm.PortConfigPublishModeHost {
				continue
			}
			if holder := holders[port]; check && holder != "" && holder != spec.Name {
				out = append(out, PortConflict{spec.Name, port, holder})
				continue
			}
			holders[port] = spec.Name
		}
	}
	for _, s := range there {
		take(s.Spec, false)
	}
	for _, spec := range asked {
		take(spec, true)
	}
	return out
}

// labelledImage is the image a service was deployed with, as its file has it.
func labelledImage(spec *swarm.ServiceSpec) string { return spec.Labels[stack.LabelImage] }
