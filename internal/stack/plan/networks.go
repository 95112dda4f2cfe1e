package plan

import (
	"slices"

	"github.com/moby/moby/api/types/network"

	"github.com/skep-org/skep/internal/stack"
)

func (m *maker) networks() {
	for _, n := range m.stack.Networks {
		name := n.Create.Name
		there := m.network(name)
		switch {
		case n.External && predefined(name):
		case n.External && there == nil:
			m.problem("network %s is external and not there: make it with docker network create --driver overlay %s", name, name)
		case n.External && there.Scope != "swarm":
			m.problem("network %s is external and of one node alone (scope %s): services need one of the cluster", name, there.Scope)
		case n.External:
		case there == nil:
			m.Networks = append(m.Networks, n.Create)
		case !m.ours(there.Labels):
			m.problem("network %s is there and not the stack's: write external: true, or give the stack's another name", name)
		default:
			m.compare(n, there)
		}
	}
}

// network is the cluster's network of a name; engines may have one of the same name.
func (m *maker) network(name string) *network.Summary {
	var found *network.Summary
	for i := range m.now.Networks {
		if n := &m.now.Networks[i]; n.Name == name && (found == nil || n.Scope == "swarm") {
			found = n
		}
	}
	return found
}

func predefined(name string) bool { return name == "host" || name == "bridge" || name == "none" }

// compare warns of a network that is there with other settings: no network can be changed.
func (m *maker) compare(n stack.Network, there *network.Summary) {
	differs := there.Driver != n.Create.Driver || there.Internal != n.Create.Internal || there.Attachable != n.Create.Attachable
	if n.Create.IPAM != nil {
		for _, pool := range n.Create.IPAM.Config {
			if pool.Subnet.IsValid() && !slices.ContainsFunc(there.IPAM.Config, func(c network.IPAMConfig) bool { return c.Subnet.Masked() == pool.Subnet.Masked() }) {
				differs = true
			}
		}
	}
	if differs {
		m.warn("network %s is there with other settings than the file's and stays as it is: to make it anew, remove the stack first", n.Create.Name)
	}
}
