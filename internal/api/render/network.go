package render

import (
	"maps"
	"slices"
	"strconv"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// vxlanOption is where swarm shows an overlay's network identifier.
const vxlanOption = "com.docker.network.driver.overlay.vxlanid_list"

// Network is one cluster network as GET /networks shows it.
func Network(v store.View, n *model.Network) network.Inspect {
	spec := n.Spec.Get()
	state := swarmNetwork(v, n)
	out := network.Inspect{Network: network.Network{
		Name: n.Name, ID: n.ID.String(), Created: n.CreatedAt(), Scope: "swarm", Driver: state.DriverState.Name,
		EnableIPv4: true, EnableIPv6: spec.IPv6Enabled, Internal: spec.Internal, Attachable: spec.Attachable, Ingress: spec.Ingress,
		Options: state.DriverState.Options, Labels: spec.Labels,
		IPAM: network.IPAM{Driver: "default", Config: []network.IPAMConfig{}},
	}}
	if len(out.Labels) == 0 {
		out.Labels = nil // as swarm prints it
	}
	if spec.ConfigFrom != nil {
		out.ConfigFrom = *spec.ConfigFrom
	}
	if o := state.IPAMOptions; o != nil {
		if o.Driver.Name != "" {
			out.IPAM.Driver, out.IPAM.Options = o.Driver.Name, o.Driver.Options
		}
		for _, c := range o.Configs {
			out.IPAM.Config = append(out.IPAM.Config, network.IPAMConfig{Subnet: c.Subnet, IPRange: c.Range, Gateway: c.Gateway})
		}
	}
	return out
}

// swarmNetwork is the network as tasks show it, with what the allocator chose.
func swarmNetwork(v store.View, n *model.Network) swarm.Network {
	out := swarm.Network{ID: n.ID.String(), Spec: *n.Spec.Get()}
	out.Meta = swarm.Meta{Version: swarm.Version{Index: n.Index}, CreatedAt: n.CreatedAt(), UpdatedAt: n.UpdatedAt()}
	if out.Spec.Labels == nil {
		out.Spec.Labels = map[string]string{}
	}
	out.DriverState = swarm.Driver{Name: "overlay"}
	if d := out.Spec.DriverConfiguration; d != nil {
		out.DriverState = swarm.Driver{Name: d.Name, Options: maps.Clone(d.Options)}
	}
	out.IPAMOptions = out.Spec.IPAMOptions
	a := store.Allocations.ByID(v, n.ID)
	if a == nil {
		return out
	}
	if a.VNI != 0 {
		if out.DriverState.Options == nil {
			out.DriverState.Options = map[string]string{}
		}
		out.DriverState.Options[vxlanOption] = strconv.FormatUint(uint64(a.VNI), 10)
	}
	if len(a.Networks) > 0 {
		out.Spec.IPAMOptions = withGateways(out.Spec.IPAMOptions, a)
		out.IPAMOptions = allocated(out.Spec.IPAMOptions, a)
	}
	return out
}

// withGateways shows the gateways chosen for subnets that were asked for without one: so swarm writes its own specs.
func withGateways(asked *swarm.IPAMOptions, a *model.Allocation) *swarm.IPAMOptions {
	if asked == nil {
		return nil
	}
	out := *asked
	out.Configs = slices.Clone(asked.Configs)
	for i := range min(len(out.Configs), len(a.Networks)) {
		if !out.Configs[i].Gateway.IsValid() {
			out.Configs[i].Gateway = a.Networks[i].Gateway
		}
	}
	return &out
}

// allocated shows the subnets chosen, with the ranges that were asked for.
func allocated(asked *swarm.IPAMOptions, a *model.Allocation) *swarm.IPAMOptions {
	out := &swarm.IPAMOptions{Driver: swarm.Driver{Name: "default"}}
	if asked != nil && len(asked.Driver.Options) > 0 {
		out.Driver.Options = maps.Clone(asked.Driver.Options)
		out.Driver.Options["com.docker.network.ipam.serial"] = "true" // swarm adds it to options that are there
	}
	for i, n := range a.Networks {
		c := swarm.IPAMConfig{Subnet: n.Addr.Masked(), Gateway: n.Gateway}
		if asked != nil && i < len(asked.Configs) {
			c.Range = asked.Configs[i].Range
		}
		out.Configs = append(out.Configs, c)
	}
	return out
}
