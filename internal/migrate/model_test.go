package migrate

import (
	"slices"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"

	"github.com/skep-org/skep/internal/model"
)

// taken is a cluster that has taken a plan: with ids of its own, secrets that it does not show, and specs as it keeps them.
func taken(p *Plan, here Swarm) Swarm {
	out := copied(here)
	if p.Settings != nil {
		out.Cluster.Spec = *p.Settings
	}
	for _, n := range p.Nodes {
		i := slices.IndexFunc(out.Nodes, func(x swarm.Node) bool { return x.ID == n.ID })
		out.Nodes[i] = n
	}
	for _, n := range p.Writes.Networks {
		one := network.Network{ID: "id-" + n.Name, Name: n.Name, Driver: n.Driver, Scope: swarmScope, Internal: n.Internal,
			Attachable: n.Attachable, Options: n.Options, Labels: n.Labels}
		if n.IPAM != nil {
			one.IPAM = *n.IPAM
		}
		out.Networks = append(out.Networks, network.Summary{Network: one})
	}
	for _, s := range p.Writes.Secrets {
		s.Data = nil
		out.Secrets = append(out.Secrets, swarm.Secret{ID: "id-" + s.Name, Spec: s})
	}
	for _, c := range p.Writes.Configs {
		out.Configs = append(out.Configs, swarm.Config{ID: "id-" + c.Name, Spec: c})
	}
	for _, next := range p.Writes.Relabel.Secrets {
		*find(out.Secrets, next.ID, func(s *swarm.Secret) string { return s.ID }) = next
	}
	for _, next := range p.Writes.Relabel.Configs {
		*find(out.Configs, next.ID, func(c *swarm.Config) string { return c.ID }) = next
	}
	for _, spec := range p.Writes.Create {
		out.Services = append(out.Services, swarm.Service{ID: "id-" + spec.Name, Spec: kept(spec, out)})
	}
	for _, next := range p.Writes.Update {
		there := find(out.Services, next.ID, func(s *swarm.Service) string { return s.ID })
		there.Spec = kept(next.Spec, out)
	}
	return out
}

// kept is a spec as a cluster keeps it.
func kept(spec swarm.ServiceSpec, in Swarm) swarm.ServiceSpec {
	spec = model.Filled(copied(spec))
	for i := range spec.TaskTemplate.Networks {
		a := &spec.TaskTemplate.Networks[i]
		if n := find(in.Networks, a.Target, func(n *network.Summary) string { return n.Name }); n != nil {
			a.Target = n.ID
		}
	}
	for _, r := range spec.TaskTemplate.ContainerSpec.Secrets {
		r.SecretID = in.Secret(r.SecretName).ID
	}
	for _, r := range spec.TaskTemplate.ContainerSpec.Configs {
		r.ConfigID = find(in.Configs, r.ConfigName, func(c *swarm.Config) string { return c.Spec.Name }).ID
	}
	return spec
}
