package authority

import (
	"github.com/skep-org/skep/internal/network"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

// mostTaken bounds how much of what a host uses is looked at.
const mostTaken = 10_000

// checkIngress refuses a host that uses addresses of the ingress network for something else, which it would not reach any
// more: that network is a route of each host's own.
func checkIngress(v store.View, uses []*wire.Taken) error {
	row := store.IngressNetwork(v)
	if row == nil {
		return nil
	}
	a := store.Allocations.ByID(v, row.ID)
	if a == nil || len(a.Networks) == 0 {
		return nil
	}
	subnet := a.Networks[0].Addr.Masked()
	var taken []network.Taken
	for _, u := range uses[:min(len(uses), mostTaken)] {
		t := network.Taken{What: u.GetWhat()}
		if t.Prefix.UnmarshalBinary(u.GetPrefix()) == nil && t.Prefix.IsValid() {
			taken = append(taken, t)
		}
	}
	if what := network.Overlapping(subnet, taken); what != "" {
		return refuse("the subnet %s of the cluster's ingress network overlaps %s of this host, which would not be reached any more: change the host, or make the ingress network anew with another subnet (docker network rm ingress; docker network create --driver overlay --ingress --subnet SUBNET ingress)", subnet, what)
	}
	return nil
}
