package api

import (
	"github.com/moby/moby/api/types/network"
	"github.com/skep-org/skep/internal/api/httperr"
	skepnet "github.com/skep-org/skep/internal/network"
)

// HostUser is a Cluster that knows which addresses its host uses beside the cluster's networks.
type HostUser interface {
	HostUses() []skepnet.Taken
}

// checkIngressSubnet refuses an ingress network that would cut this host off from something. Other nodes find the same in
// a check of their networks.
func (s *Server) checkIngressSubnet(req *network.CreateRequest) error {
	host, can := s.Cluster.(HostUser)
	if !can || !req.Ingress || req.IPAM == nil {
		return nil
	}
	taken := host.HostUses()
	for _, c := range req.IPAM.Config {
		if !c.Subnet.IsValid() {
			continue
		}
		if what := skepnet.Overlapping(c.Subnet, taken); what != "" {
			return httperr.BadRequest("the subnet %s of the ingress network overlaps %s of this host, which would not be reached any more: name another with --subnet", c.Subnet, what)
		}
	}
	return nil
}
