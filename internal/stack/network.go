package stack

import (
	"cmp"
	"net/netip"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/api/types/network"

	"github.com/skep-org/skep/internal/stack/finding"
)

type attachment = types.ServiceNetworkConfig

// create is a network as the stack makes it.
func (c *converter) create(r *network.CreateRequest, key string) {
	n := c.Project.Networks[key]
	r.Driver = c.driver(n.Driver, key)
	r.Options = c.driverOptions(n, key)
	r.Internal, r.Attachable = n.Internal, n.Attachable
	r.EnableIPv4, r.EnableIPv6 = n.EnableIPv4, n.EnableIPv6
	r.Labels = labelled(c.stack.Name, n.Labels)
	if n.Ipam.Driver == "" && len(n.Ipam.Config) == 0 && len(n.Ipam.Options) == 0 {
		return
	}
	r.IPAM = &network.IPAM{Driver: n.Ipam.Driver, Options: n.Ipam.Options}
	for _, pool := range n.Ipam.Config {
		r.IPAM.Config = append(r.IPAM.Config, c.pool(pool, key))
	}
}

// driver is what carries a network. A file for one machine says bridge; between nodes an overlay does the same.
func (c *converter) driver(asked, key string) string {
	path := []string{"networks", key, "driver"}
	switch asked {
	case "bridge":
		c.find(finding.Noted, path, "read as overlay: a bridge is of one node, and a service's tasks run on many")
		return "overlay"
	case "host", "none", "null", "macvlan", "ipvlan":
		c.find(finding.Refused, path, "a network of the driver %s is of one node: make it beforehand, as docker network create --scope swarm makes one for services, and write external: true", asked)
	}
	return cmp.Or(asked, "overlay")
}

// bridgeOption begins the options that only a bridge has.
const bridgeOption = "com.docker.network.bridge."

func (c *converter) driverOptions(n types.NetworkConfig, key string) map[string]string {
	if n.Driver != "bridge" && n.Driver != "" {
		return n.DriverOpts
	}
	var out map[string]string
	for name, value := range n.DriverOpts {
		if strings.HasPrefix(name, bridgeOption) {
			c.find(finding.Warned, []string{"networks", key, "driver_opts", name}, "it is of bridges, and an overlay has none: it is left out")
			continue
		}
		if out == nil {
			out = map[string]string{}
		}
		out[name] = value
	}
	return out
}

func (c *converter) pool(p *types.IPAMPool, key string) network.IPAMConfig {
	path := []string{"networks", key, "ipam", "config"}
	out := network.IPAMConfig{Subnet: c.prefix(p.Subnet, path), IPRange: c.prefix(p.IPRange, path), Gateway: c.address(p.Gateway, path)}
	for name, text := range p.AuxiliaryAddresses {
		if out.AuxAddress == nil {
			out.AuxAddress = map[string]netip.Addr{}
		}
		out.AuxAddress[name] = c.address(text, path)
	}
	return out
}

// prefix reads a subnet. An address alone is one of that address.
func (c *converter) prefix(text string, path []string) netip.Prefix {
	if text == "" {
		return netip.Prefix{}
	}
	if p, err := netip.ParsePrefix(text); err == nil {
		return p
	}
	addr := c.address(text, path)
	return netip.PrefixFrom(addr, max(addr.BitLen(), 0))
}

func (c *converter) address(text string, path []string) netip.Addr {
	if text == "" {
		return netip.Addr{}
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		c.find(finding.Refused, path, "%q is no address or subnet", text)
	}
	return addr
}
