package stack

import (
	"cmp"
	"net/netip"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/api/types/network"

	"github.com/skep-org/skep/internal/stack/finding"
)

type attachment = types.ServiceNetworkConfig

// create is a network as the stack makes it.
func (c *converter) create(r *network.CreateRequest, key string) {
	n := c.Project.Networks[key]
	r.Driver = cmp.Or(n.Driver, "overlay")
	r.Options, r.Internal, r.Attachable = n.DriverOpts, n.Internal, n.Attachable
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
