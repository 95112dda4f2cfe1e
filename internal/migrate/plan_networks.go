package migrate

import (
	"maps"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/network"
)

// networks that are to have a subnet come first, or another one might be given it.
func (m *maker) networks() {
	var fixed, free []network.CreateRequest
	for _, n := range m.want.Networks {
		if !m.possible(&n) {
			continue
		}
		switch there := m.network(n.Name); {
		case there != nil && !m.sameNetwork(n, *there):
		case there != nil:
			m.Same++
		case len(subnets(n)) > 0:
			m.overlap(n)
			fixed = append(fixed, n)
		default:
			free = append(free, n)
		}
	}
	m.Writes.Networks = slices.Concat(fixed, free)
}

// possible takes out of a network what is to be left out, and refuses what this cluster has not.
func (m *maker) possible(n *network.CreateRequest) bool {
	before := len(m.Problems)
	if _, encrypted := n.Options[encryptedOption]; encrypted && m.without(Encryption) {
		delete(n.Options, encryptedOption)
		m.add(Other, "network", n.Name, "it is encrypted in the swarm and is not here, as --without encryption asks")
	}
	if n.EnableIPv6 != nil && *n.EnableIPv6 || slices.ContainsFunc(subnets(*n), func(c network.IPAMConfig) bool { return c.Subnet.Addr().Is6() }) {
		if m.without(IPv6) {
			n.EnableIPv6 = nil
			if n.IPAM != nil {
				n.IPAM.Config = slices.DeleteFunc(n.IPAM.Config, func(c network.IPAMConfig) bool { return c.Subnet.Addr().Is6() })
			}
			m.add(Other, "network", n.Name, "it has IPv6 in the swarm and has not here, as --without ipv6 asks")
		} else {
			m.problem("network", n.Name, "it has IPv6, which networks here cannot have yet: --without ipv6 has it made without")
		}
	}
	if len(subnets(*n)) > 1 && len(m.Problems) == before {
		m.problem("network", n.Name, "it has several subnets, and networks here have one: keep the swarm in a directory (--write), leave one in its file, and migrate from the directory")
	}
	return len(m.Problems) == before
}

func subnets(n network.CreateRequest) []network.IPAMConfig {
	if n.IPAM == nil {
		return nil
	}
	return n.IPAM.Config
}

// overlap refuses a subnet of which another network has a part.
func (m *maker) overlap(n network.CreateRequest) {
	for _, want := range subnets(n) {
		for _, there := range m.here.Networks {
			for _, has := range there.IPAM.Config {
				if there.Scope == swarmScope && has.Subnet.IsValid() && has.Subnet.Overlaps(want.Subnet) {
					m.problem("network", n.Name, "its subnet %s overlaps with %s of the network %s here: remove that one, or keep the swarm in a directory (--write), give this one another, and migrate from the directory", want.Subnet, has.Subnet, there.Name)
				}
			}
		}
	}
}

// sameNetwork tells in what a network that is there is another one. No network can change.
func (m *maker) sameNetwork(want network.CreateRequest, there network.Summary) bool {
	var differs []string
	options := maps.Clone(there.Options)
	delete(options, vxlanOption)
	for what, same := range map[string]bool{
		"driver": want.Driver == there.Driver, "internal": want.Internal == there.Internal, "attachable": want.Attachable == there.Attachable,
		"labels": maps.Equal(want.Labels, there.Labels), "options": maps.Equal(want.Options, options),
		"subnet": !slices.ContainsFunc(subnets(want), func(c network.IPAMConfig) bool { return !hasSubnet(there, c) }),
	} {
		if !same {
			differs = append(differs, what)
		}
	}
	if len(differs) == 0 {
		return true
	}
	slices.Sort(differs)
	m.add(Exists, "network", want.Name, "it is another one here than in the swarm (%s), and no network can change: remove it, and its services, to have it made anew", strings.Join(differs, ", "))
	return false
}

func hasSubnet(n network.Summary, want network.IPAMConfig) bool {
	return slices.ContainsFunc(n.IPAM.Config, func(c network.IPAMConfig) bool { return c.Subnet.Masked() == want.Subnet.Masked() })
}
