package node

import (
	"cmp"
	"net/netip"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/api"
	"github.com/skep-org/skep/internal/network"
	"github.com/skep-org/skep/internal/network/dns"
	"github.com/skep-org/skep/internal/network/kernel"
)

var _ api.HostUser = (*cluster)(nil)

// HostUses implements [api.HostUser].
func (c *cluster) HostUses() []network.Taken {
	taken, err := hostUses()
	if err != nil {
		c.logger.Warn("which addresses this host uses cannot be told, and the ingress network may overlap them", "err", err)
	}
	return taken
}

// hostUses are the addresses that this host uses beside the cluster's networks: its own, those it has routes to, and those
// of its name servers.
func hostUses() ([]network.Taken, error) {
	taken, err := kernel.Taken("")
	for _, a := range dns.HostServers() {
		if a.Is4() && !a.IsLoopback() {
			taken = append(taken, network.Taken{Prefix: netip.PrefixFrom(a, 32), What: "the name server " + a.String()})
		}
	}
	return taken, err
}

// ingressFor is the subnet of a new cluster's ingress network. One from the user's pools is the allocator's to cut unless
// the first is taken.
func ingressFor(req swarm.InitRequest, taken []network.Taken) (netip.Prefix, error) {
	if len(req.DefaultAddrPool) == 0 {
		return network.ChooseIngress(taken)
	}
	return network.CutIngress(req.DefaultAddrPool, int(cmp.Or(req.SubnetSize, network.SubnetSize)), taken)
}
