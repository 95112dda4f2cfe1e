package migrate

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"
)

const (
	predefinedLabel = "com.docker.swarm.predefined"
	vxlanOption     = "com.docker.network.driver.overlay.vxlanid_list"
	encryptedOption = "encrypted"
	overlay         = "overlay"
	swarmScope      = "swarm"
)

// builtInNetworks are the drivers that every engine has.
func builtInNetworks() []string {
	return []string{overlay, "bridge", "host", "null", "macvlan", "ipvlan"}
}

// engines reports whether a network is each engine's own, which services are put on by its name.
func engines(n network.Summary) bool {
	return n.Labels[predefinedLabel] == "true" || n.Scope != swarmScope
}

func (c *carrier) carryNetworks() {
	for _, n := range sorted(c.from.Networks, func(n network.Summary) string { return n.Name }) {
		if engines(n) {
			c.networks[n.ID] = n.Name
			continue
		}
		if n.Ingress {
			c.ingress(n)
			continue
		}
		c.networks[n.ID] = n.Name
		c.network(n)
	}
}

// ingress is each cluster's own: only what somebody wanted of it is worth a word.
func (c *carrier) ingress(n network.Summary) {
	asked := c.asked(n)
	options := maps.Clone(n.Options)
	delete(options, vxlanOption)
	for _, config := range asked {
		c.found.add(Lost, "network", n.Name, "the routing mesh has its own network here, not the subnet %s: docker network rm ingress, then docker network create --ingress --driver overlay --subnet %s ingress, if it is needed", config.Subnet, config.Subnet)
	}
	for _, k := range slices.Sorted(maps.Keys(options)) {
		c.found.add(Lost, "network", n.Name, "the routing mesh has its own network here, without the option %s=%s", k, options[k])
	}
	if len(asked)+len(options) == 0 {
		c.found.add(Other, "network", n.Name, "it carries the routing mesh, for which this cluster has a network of its own")
	}
}

func (c *carrier) network(n network.Summary) {
	create := network.CreateRequest{Name: n.Name, Driver: n.Driver, Internal: n.Internal, Attachable: n.Attachable,
		Options: maps.Clone(n.Options), Labels: maps.Clone(n.Labels)}
	delete(create.Options, vxlanOption)
	if n.Driver != overlay {
		create.Scope = swarmScope
	}
	if n.EnableIPv6 {
		create.EnableIPv6 = new(true)
	}
	if n.ConfigFrom.Network != "" {
		create.ConfigFrom = &network.ConfigReference{Network: n.ConfigFrom.Network}
		c.found.add(Yours, "network", n.Name, "each node has its own settings for it in the network %s (--config-only), which is not the swarm's: make that on the nodes here, if they have none", n.ConfigFrom.Network)
	}
	if driver := n.IPAM.Driver; driver != "" && driver != "default" {
		create.IPAM = &network.IPAM{Driver: driver, Options: maps.Clone(n.IPAM.Options)}
	}
	if asked := c.asked(n); len(asked) > 0 {
		if create.IPAM == nil {
			create.IPAM = &network.IPAM{}
		}
		create.IPAM.Config = asked
	} else if n.Driver == overlay {
		c.found.add(Other, "network", n.Name, "its subnet was the swarm's choice, and this cluster makes its own")
	}
	c.networkHints(n)
	c.want.Networks = append(c.want.Networks, create)
}

func (c *carrier) networkHints(n network.Summary) {
	if !slices.Contains(builtInNetworks(), n.Driver) {
		c.found.add(Yours, "network", n.Name, "the nodes here need the network driver %s", n.Driver)
	}
	if n.Attachable {
		c.found.add(Yours, "network", n.Name, "containers that were put on it by hand are no services: start them again")
	}
}

// asked are the subnets that somebody wanted a network to have; none, if the swarm chose. What was asked is only told with
// tasks; of a network without any, one is the swarm's choice if it could be.
func (c *carrier) asked(n network.Summary) []network.IPAMConfig {
	var wanted []netip.Prefix
	known := false
	for _, t := range c.from.Tasks {
		for _, a := range t.NetworksAttachments {
			if a.Network.ID != n.ID {
				continue
			}
			known = true
			if o := a.Network.Spec.IPAMOptions; o != nil {
				for _, config := range o.Configs {
					wanted = append(wanted, config.Subnet.Masked())
				}
			}
		}
	}
	var out []network.IPAMConfig
	for _, config := range n.IPAM.Config {
		if known && slices.Contains(wanted, config.Subnet.Masked()) || !known && !c.couldBeChosen(config) {
			out = append(out, withoutDefaults(config))
		}
	}
	return out
}

// couldBeChosen reports whether the swarm may have made a subnet by itself.
func (c *carrier) couldBeChosen(config network.IPAMConfig) bool {
	if !config.Subnet.IsValid() {
		return true
	}
	pools, size := c.from.Cluster.DefaultAddrPool, int(c.from.Cluster.SubnetSize)
	if len(pools) == 0 {
		pools = []netip.Prefix{defaultPool()}
	}
	if size == 0 {
		size = defaultSubnetSize
	}
	inPool := func(p netip.Prefix) bool { return p.Contains(config.Subnet.Addr()) }
	return config.Subnet.Bits() == size && slices.ContainsFunc(pools, inPool) && len(config.AuxAddress) == 0 && !config.IPRange.IsValid() && firstGateway(config)
}

// withoutDefaults leaves out a gateway that would be chosen anyhow.
func withoutDefaults(config network.IPAMConfig) network.IPAMConfig {
	out := copied(config)
	if firstGateway(config) {
		out.Gateway = netip.Addr{}
	}
	return out
}

func firstGateway(config network.IPAMConfig) bool {
	return !config.Gateway.IsValid() || config.Gateway == config.Subnet.Masked().Addr().Next()
}

// attached are the networks of a service, by name, and whether all of them are carried. Very old specs tell theirs elsewhere
// than in the template; then the service's addresses tell.
func (c *carrier) attached(s swarm.Service) (out []swarm.NetworkAttachmentConfig, missing string) {
	for _, a := range s.Spec.TaskTemplate.Networks {
		name, known := c.networks[a.Target]
		if !known {
			name, known = c.named(a.Target)
		}
		if !known {
			return nil, a.Target
		}
		one := copied(a)
		one.Target = name
		out = append(out, one)
	}
	if len(out) > 0 {
		return out, ""
	}
	for _, v := range s.Endpoint.VirtualIPs {
		if name, known := c.networks[v.NetworkID]; known {
			out = append(out, swarm.NetworkAttachmentConfig{Target: name})
		}
	}
	return out, ""
}

// named finds a network that is referred to by its name.
func (c *carrier) named(name string) (string, bool) {
	if slices.Contains([]string{"host", "bridge", "none"}, name) {
		return name, true
	}
	for _, n := range c.from.Networks {
		if strings.EqualFold(n.Name, name) && !n.Ingress {
			return n.Name, true
		}
	}
	return "", false
}
