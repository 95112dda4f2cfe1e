package migrate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"

	"github.com/skep-org/skep/internal/manager/constraint"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/stack/plan"
)

func (m *maker) services() {
	for _, want := range m.want.Services {
		if model.IsJob(want.Mode) && m.without(Jobs) {
			m.add(Lost, "service", want.Name, "it is a job, which --without jobs leaves out")
			continue
		}
		if want.TaskTemplate.ContainerSpec == nil {
			m.problem("service", want.Name, "it runs no containers: services here do nothing else")
			continue
		}
		if !m.complete(want) {
			continue
		}
		there := find(m.here.Services, want.Name, func(s *swarm.Service) string { return s.Spec.Name })
		if there == nil {
			m.Writes.Create = append(m.Writes.Create, want)
			m.placeable(want)
			continue
		}
		m.compare(want, *there)
	}
	others := slices.DeleteFunc(slices.Clone(m.here.Services), func(s swarm.Service) bool {
		return slices.ContainsFunc(m.Writes.Update, func(u swarm.Service) bool { return u.ID == s.ID })
	})
	written := slices.Clone(m.Writes.Create)
	for _, s := range m.Writes.Update {
		written = append(written, s.Spec)
	}
	for _, c := range plan.PortConflicts(others, written) {
		m.problem("service", c.Service, "it cannot publish port %s, which service %s publishes here: remove one of the two ports", c.Port, c.Holder)
	}
}

// complete refuses a service that refers to what is neither wanted nor there.
func (m *maker) complete(s swarm.ServiceSpec) bool {
	before := len(m.Problems)
	missing := func(kind, name string) {
		m.problem("service", s.Name, "it uses the %s %s, which is neither here nor to be made: take it out of the service, or make it", kind, name)
	}
	for _, a := range s.TaskTemplate.Networks {
		wanted := slices.ContainsFunc(m.want.Networks, func(n network.CreateRequest) bool { return n.Name == a.Target })
		if !wanted && m.network(a.Target) == nil && !slices.Contains([]string{"host", "bridge", "none"}, a.Target) {
			missing("network", a.Target)
		}
	}
	for _, r := range s.TaskTemplate.ContainerSpec.Secrets {
		if !slices.ContainsFunc(m.want.Secrets, func(w swarm.SecretSpec) bool { return w.Name == r.SecretName }) && m.Writes.SecretIDs[r.SecretName] == "" {
			missing("secret", r.SecretName)
		}
	}
	for _, r := range s.TaskTemplate.ContainerSpec.Configs {
		if !slices.ContainsFunc(m.want.Configs, func(w swarm.ConfigSpec) bool { return w.Name == r.ConfigName }) && m.Writes.ConfigIDs[r.ConfigName] == "" {
			missing("config", r.ConfigName)
		}
	}
	return len(m.Problems) == before
}

// compare is about a service that is there.
func (m *maker) compare(want swarm.ServiceSpec, there swarm.Service) {
	names := map[string]string{}
	for _, n := range m.here.Networks {
		names[n.ID] = n.Name
	}
	want.TaskTemplate.ForceUpdate = there.Spec.TaskTemplate.ForceUpdate // what was forced here asks for nothing else
	want = m.Writes.Referring(want)
	if plan.Same(want, there.Spec, names) {
		m.Same++
		return
	}
	next := there
	next.Spec = want
	if !m.exists("service", want.Name, "it is another one here than in the swarm: %s", m.fields(next)) {
		return
	}
	if model.ModeName(want.Mode) != model.ModeName(there.Spec.Mode) {
		m.problem("service", want.Name, "it is %s here and %s in the swarm, and the mode of a service cannot change: remove it here first", model.ModeName(there.Spec.Mode), model.ModeName(want.Mode))
		return
	}
	m.Writes.Update = append(m.Writes.Update, next)
	m.placeable(want)
}

// shownFields is how many fields of a service are told.
const shownFields = 4

// fields are those in which a service that is there would become another.
func (m *maker) fields(next swarm.Service) string {
	one := plan.Plan{Update: []swarm.Service{next}}
	var out []string
	for _, change := range one.Changes(plan.Current{Services: m.here.Services, Networks: m.here.Networks}) {
		for _, f := range change.Fields {
			out = append(out, fmt.Sprintf("%s is %s, not %s", f.Path, orNothing(f.Old), orNothing(f.New)))
		}
	}
	if more := len(out) - shownFields; more > 0 {
		out = append(out[:shownFields], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(out, "; ")
}

func orNothing(s string) string {
	if s == "" {
		return "not set"
	}
	return s
}

// placeable tells of a service that no node here can run.
func (m *maker) placeable(s swarm.ServiceSpec) {
	nodes := m.nodesThen()
	if p := s.TaskTemplate.Placement; p != nil && len(p.Constraints) > 0 {
		parsed, err := constraint.Parse(p.Constraints)
		if err == nil && !slices.ContainsFunc(nodes, func(n swarm.Node) bool { return constraint.Match(parsed, nodeOf(n)) }) {
			m.add(Yours, "service", s.Name, "no node here meets its constraints (%s): its tasks wait until one does", strings.Join(p.Constraints, ", "))
		}
	}
	if r := s.TaskTemplate.Resources; r != nil && r.Reservations != nil {
		for _, g := range r.Reservations.GenericResources {
			kind := kindOf(g)
			if !slices.ContainsFunc(nodes, func(n swarm.Node) bool {
				return slices.ContainsFunc(n.Description.Resources.GenericResources, func(has swarm.GenericResource) bool { return kindOf(has) == kind })
			}) {
				m.add(Yours, "service", s.Name, "no node here has the generic resource %s, which it reserves: its tasks wait until an engine is configured with it (node-generic-resources)", kind)
			}
		}
	}
}

// nodesThen are the nodes as they are when the plan is carried out.
func (m *maker) nodesThen() []swarm.Node {
	out := slices.Clone(m.here.Nodes)
	for i := range out {
		if next := find(m.Nodes, out[i].ID, func(n *swarm.Node) string { return n.ID }); next != nil {
			out[i] = *next
		}
	}
	return out
}

// nodeOf is a node as constraints see it. An id that is none here is no node's.
func nodeOf(n swarm.Node) constraint.Node {
	id, _ := model.ParseID(n.ID)
	role := model.RoleWorker
	if n.Spec.Role == swarm.NodeRoleManager {
		role = model.RoleManager
	}
	d := n.Description
	return constraint.Node{ID: id, Role: role, Hostname: d.Hostname, Addr: n.Status.Addr, OS: d.Platform.OS, Arch: d.Platform.Architecture,
		Labels: n.Spec.Labels, EngineLabels: d.Engine.Labels}
}

func kindOf(g swarm.GenericResource) string {
	switch {
	case g.NamedResourceSpec != nil:
		return g.NamedResourceSpec.Kind
	case g.DiscreteResourceSpec != nil:
		return g.DiscreteResourceSpec.Kind
	}
	return ""
}
