package migrate

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/swarm"
)

// Carry turns a swarm into what another cluster is to have.
func Carry(from Swarm) (*Wanted, []Finding) {
	c := &carrier{from: from, want: &Wanted{}, networks: map[string]string{}, configs: map[string]string{}, secrets: map[string]string{}, hosts: map[string]string{}}
	c.settings()
	c.nodes()
	c.carryNetworks()
	c.files()
	for _, s := range sorted(from.Services, func(s swarm.Service) string { return s.Spec.Name }) {
		c.service(s)
	}
	c.images()
	return c.want, c.found
}

type carrier struct {
	from  Swarm
	want  *Wanted
	found findings

	networks, configs, secrets map[string]string // id → name, of what is carried
	hosts                      map[string]string // id of a node → its host name
}

func sorted[T any](all []T, name func(T) string) []T {
	return slices.SortedStableFunc(slices.Values(all), func(a, b T) int { return cmp.Compare(name(a), name(b)) })
}

// nodes keeps what was set of each. A host name is all that the two clusters' nodes have in common.
func (c *carrier) nodes() {
	seen := map[string]bool{}
	for _, n := range sorted(c.from.Nodes, func(n swarm.Node) string { return n.Description.Hostname + "\x00" + n.ID }) {
		host := n.Description.Hostname
		if host == "" {
			c.found.add(Lost, "node", n.ID, "it never told its host name, so that no node can be meant by it")
			continue
		}
		c.hosts[n.ID] = host
		if seen[host] {
			c.found.add(Lost, "node", host, "several nodes have this host name: of %s neither labels nor availability are carried", n.ID)
			continue
		}
		seen[host] = true
		one := Node{Hostname: host, Labels: maps.Clone(n.Spec.Labels)}
		if n.Spec.Availability != swarm.NodeAvailabilityActive {
			one.Availability = n.Spec.Availability
		}
		c.want.Nodes = append(c.want.Nodes, one)
		c.engineLabels(n)
	}
}

// engineLabels are told where some service is placed by them: the engine's configuration has them.
func (c *carrier) engineLabels(n swarm.Node) {
	for _, label := range slices.Sorted(maps.Keys(n.Description.Engine.Labels)) {
		used := func(s swarm.Service) bool {
			p := s.Spec.TaskTemplate.Placement
			return p != nil && slices.ContainsFunc(p.Constraints, func(e string) bool {
				return strings.Contains(strings.ToLower(e), "engine.labels."+strings.ToLower(label))
			})
		}
		if slices.ContainsFunc(c.from.Services, used) {
			c.found.add(Yours, "node", n.Description.Hostname, "services are placed by its engine's label %s=%s, which stands in the engine's configuration: write it there for the node that is to have it", label, n.Description.Engine.Labels[label])
		}
	}
}

// files are configs and secrets.
func (c *carrier) files() {
	for _, one := range sorted(c.from.Configs, func(x swarm.Config) string { return x.Spec.Name }) {
		c.configs[one.ID] = one.Spec.Name
		c.want.Configs = append(c.want.Configs, copied(one.Spec))
	}
	for _, one := range sorted(c.from.Secrets, func(x swarm.Secret) string { return x.Spec.Name }) {
		c.secrets[one.ID] = one.Spec.Name
		spec := copied(one.Spec)
		spec.Data = nil
		c.want.Secrets = append(c.want.Secrets, spec)
		if spec.Driver != nil && spec.Driver.Name != "" {
			c.found.add(Yours, "secret", spec.Name, "the driver %s keeps it: the managers' engines here need that plugin", spec.Driver.Name)
		}
	}
}
