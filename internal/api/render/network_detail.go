package render

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/network"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// Inspected is one network as GET /networks/{id} shows it: with the nodes that are on it, how many of its addresses are
// in use, and when asked for with its services.
func Inspected(v store.View, n *model.Network, verbose bool) network.Inspect {
	out := Network(v, n)
	d := detail{v: v, network: n, nodes: map[model.ID]bool{}, services: map[string]network.ServiceInfo{}}
	for addr, a := range store.AddressesFrom(v, n.ID, netip.Addr{}) {
		d.addresses = append(d.addresses, addr)
		d.take(addr, a)
	}
	out.Peers = d.peers()
	if verbose {
		// As in swarm, only what is there: a service none of whose containers is on the network is not named.
		maps.DeleteFunc(d.services, func(_ string, s network.ServiceInfo) bool { return len(s.Tasks) == 0 })
		out.Services = d.services
	}
	out.Status = d.usage()
	return out
}

// detail is what is found on one network.
type detail struct {
	v         store.View
	network   *model.Network
	addresses []netip.Addr
	nodes     map[model.ID]bool
	services  map[string]network.ServiceInfo
}

// take sorts an address by whose it is.
func (d *detail) take(addr netip.Addr, a *model.Allocation) {
	switch a.Kind {
	case model.AllocNode:
		if s := store.NodeStates.ByID(d.v, a.Owner); s != nil && s.State == model.ReachReady {
			d.nodes[a.Owner] = true
		}
	case model.AllocService:
		if s := store.Services.ByID(d.v, a.Owner); s != nil {
			info := d.service(s.Name)
			info.VIP = addr
			if d.network.Spec.Get().Ingress {
				info.Ports = publishedPorts(a)
			}
			d.services[s.Name] = info
		}
	case model.AllocTask:
		d.takeTask(addr, store.Tasks.ByID(d.v, a.Owner))
	case model.AllocAttachment:
		if g := store.Attachments.ByID(d.v, a.Owner); g != nil {
			d.takeEndpoint("", strings.Join(g.Names, ","), g.ID, addr, g.NodeID)
		}
	}
}

func (d *detail) takeTask(addr netip.Addr, t *model.Task) {
	if t == nil {
		return
	}
	seen := observe(d.v, t, time.Unix(0, d.v.Now()))
	if seen.NodeID.IsZero() || seen.State.Terminal() || seen.State < model.StateStarting {
		return
	}
	name := ""
	if s := store.Services.ByID(d.v, t.ServiceID); s != nil {
		name = s.Name
	} else if r := store.Revisions.ByID(d.v, t.Revision); r != nil {
		name = r.Spec.Get().Name
	}
	d.takeEndpoint(name, executor.TaskName(name, t.Slot, seen.NodeID, t.ID), t.ID, addr, seen.NodeID)
}

// takeEndpoint notes a container on the network; those of no service stand under an empty name, as in swarm.
func (d *detail) takeEndpoint(service, name string, id model.ID, addr netip.Addr, node model.ID) {
	d.nodes[node] = true
	task := network.Task{Name: name, EndpointID: id.String(), EndpointIP: addr, Info: map[string]string{}}
	if s := store.NodeStates.ByID(d.v, node); s != nil {
		task.Info["Host IP"] = s.Addr
	}
	info := d.service(service)
	info.Tasks = append(info.Tasks, task)
	d.services[service] = info
}

func (d *detail) service(name string) network.ServiceInfo {
	if info, ok := d.services[name]; ok {
		return info
	}
	return network.ServiceInfo{Ports: []string{}, Tasks: []network.Task{}}
}

func publishedPorts(a *model.Allocation) []string {
	out := []string{}
	for _, p := range a.Ports {
		if p.PublishMode != "host" {
			out = append(out, fmt.Sprintf("Target: %d, Publish: %d", p.TargetPort, p.PublishedPort))
		}
	}
	return out
}

// peerName is as long as swarm's.
const peerName = 12

// peers are the nodes that have a container on the network; on the routing mesh's all that are up are.
func (d *detail) peers() []network.PeerInfo {
	var out []network.PeerInfo
	for id := range d.nodes {
		s := store.NodeStates.ByID(d.v, id)
		if s == nil {
			continue
		}
		if addr, err := netip.ParseAddr(s.Addr); err == nil {
			out = append(out, network.PeerInfo{Name: id.String()[:peerName], IP: addr})
		}
	}
	slices.SortFunc(out, func(a, b network.PeerInfo) int { return a.IP.Compare(b.IP) })
	return out
}

// usage counts the addresses of a network that has a subnet; nil for others.
func (d *detail) usage() *network.Status {
	a := store.Allocations.ByID(d.v, d.network.ID)
	if a == nil || len(a.Networks) == 0 {
		return nil
	}
	subnet := a.Networks[0].Addr.Masked()
	within := subnet
	for _, c := range swarmNetwork(d.v, d.network).IPAMOptions.Configs {
		if c.Subnet == subnet && c.Range.IsValid() {
			within = c.Range.Masked()
		}
	}
	// The gateway's and the two that stand for the whole subnet are nobody else's.
	taken := map[netip.Addr]bool{a.Networks[0].Gateway: true, subnet.Addr(): true, lastOf(subnet): true}
	for _, addr := range d.addresses {
		taken[addr] = true
	}
	inRange := uint64(0)
	for addr := range taken {
		if within.Contains(addr) {
			inRange++
		}
	}
	size := uint64(1) << min(within.Addr().BitLen()-within.Bits(), 63)
	return &network.Status{IPAM: network.IPAMStatus{Subnets: network.SubnetStatuses{
		subnet: {IPsInUse: uint64(len(taken)), DynamicIPsAvailable: size - inRange},
	}}}
}

// lastOf is the highest address of a subnet.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	last, _ := netip.AddrFromSlice(b)
	return last
}
