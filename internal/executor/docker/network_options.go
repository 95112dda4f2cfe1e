package docker

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
	"github.com/skep-org/skep/internal/executor"
	clusternet "github.com/skep-org/skep/internal/network"
)

// createOptions says how a cluster network is made on one engine. An overlay is the data plane's, through its plugin, and
// so are its addresses: the engine is told each endpoint's. driver is the plugin's name.
func createOptions(net executor.Network, driver string) (client.NetworkCreateOptions, error) {
	spec := cmp.Or(net.Spec, &swarm.NetworkSpec{})
	o := client.NetworkCreateOptions{
		Driver: driver, Internal: spec.Internal, Attachable: spec.Attachable,
		Labels: map[string]string{}, Options: map[string]string{},
	}
	maps.Copy(o.Labels, spec.Labels)
	o.Labels[LabelNetworkID] = net.ID.String()
	if d := spec.DriverConfiguration; d != nil {
		maps.Copy(o.Options, d.Options)
	}
	if net.Overlay() {
		o.Options[clusternet.OptionNetwork] = net.ID.String()
		o.IPAM = &network.IPAM{Driver: "null"}
		return o, nil
	}
	o.Driver = spec.DriverConfiguration.Name
	if spec.IPv6Enabled {
		o.EnableIPv6 = &spec.IPv6Enabled
	}
	if spec.ConfigFrom != nil {
		o.ConfigFrom = spec.ConfigFrom.Network // a network of the engine's that holds the addresses too
		return o, nil
	}
	var err error
	o.IPAM, err = ipam(net, spec.IPAMOptions)
	return o, err
}

// ipam gives the engine the allocator's subnet, else the user's, else lets it choose.
func ipam(net executor.Network, options *swarm.IPAMOptions) (*network.IPAM, error) {
	out := &network.IPAM{}
	if options != nil {
		out.Driver, out.Options = options.Driver.Name, options.Driver.Options
		for _, c := range options.Configs {
			out.Config = append(out.Config, network.IPAMConfig{Subnet: c.Subnet, IPRange: c.Range, Gateway: c.Gateway})
		}
	}
	if net.Subnet == "" {
		return out, nil
	}
	subnet, err := netip.ParsePrefix(net.Subnet)
	if err != nil {
		return nil, fmt.Errorf("subnet: %w", err)
	}
	c := network.IPAMConfig{Subnet: subnet.Masked()}
	if net.Gateway != "" {
		if c.Gateway, err = parseAddr(net.Gateway); err != nil {
			return nil, fmt.Errorf("gateway: %w", err)
		}
	}
	for i, given := range out.Config {
		if given.Subnet == c.Subnet {
			c.IPRange = given.IPRange
			out.Config[i] = c
			return out, nil
		}
	}
	out.Config = append([]network.IPAMConfig{c}, out.Config...)
	if len(out.Config) > 1 && out.Config[1].Subnet == (netip.Prefix{}) {
		out.Config = out.Config[:1] // the user named no subnet, the allocator did
	}
	return out, nil
}

func parseAddr(s string) (netip.Addr, error) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Addr(), nil
	}
	return netip.ParseAddr(s)
}
