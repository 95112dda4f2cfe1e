package stack

import (
	"net/netip"
	"slices"
	"strconv"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"

	"github.com/skep-org/skep/internal/model/privilege"
	"github.com/skep-org/skep/internal/stack/finding"
)

func (s *service) ports() []swarm.PortConfig {
	out := make([]swarm.PortConfig, 0, len(s.Ports))
	for i, p := range s.Ports {
		out = append(out, swarm.PortConfig{Name: p.Name, Protocol: network.IPProtocol(p.Protocol), TargetPort: p.Target,
			PublishedPort: s.published(i, p), PublishMode: swarm.PortConfigPublishMode(p.Mode)})
	}
	if len(out) > 0 && s.NetworkMode == "host" {
		s.refuse("ports", "with network_mode: host the container's ports are the node's already: leave them out")
	}
	slices.SortFunc(out, swarm.PortConfig.Compare)
	return out
}

// published is the port, or 0 for one of the cluster's choice.
func (s *service) published(i int, p types.ServicePortConfig) uint32 {
	if p.Published == "" {
		return 0
	}
	n, err := strconv.ParseUint(p.Published, 10, 16)
	if err != nil {
		s.find(finding.Refused, s.at("ports", strconv.Itoa(i)),
			"%s is not one port: a cluster chooses none of a range; write the port, or none and the cluster gives one", p.Published)
	}
	return uint32(n)
}

// hostIPs are the addresses that ports are to be published on, as labels.
func (s *service) hostIPs(labels map[string]string) {
	for i, p := range s.Ports {
		addr, err := netip.ParseAddr(p.HostIP)
		path := s.at("ports", strconv.Itoa(i))
		switch {
		case p.HostIP == "" || err == nil && addr.IsUnspecified():
		case err != nil:
			s.find(finding.Refused, path, "%q is no address", p.HostIP)
		case p.Mode != string(swarm.PortConfigPublishModeHost):
			s.find(finding.Refused, path, "a port of the routing mesh is open on every address of every node, and not on %s alone: "+
				"write it in the long form with mode: host and host_ip, or leave the address out", p.HostIP)
		default:
			port := p.Published
			if p.Protocol != "" {
				port += "/" + p.Protocol
			}
			label := privilege.Prefix + "publish." + port + "." + privilege.HostIP
			labels[label] = p.HostIP
			s.find(finding.Noted, path, "the address becomes the label %s, which a policy has to allow (docs/privileges.md)", label)
		}
	}
}
