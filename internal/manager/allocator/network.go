package allocator

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// labelPredefined marks the cluster's rows for networks that every engine has by itself.
const labelPredefined = "com.docker.swarm.predefined"

// networks plans the given networks and every one that waits.
func (p *plan) networks(ids []model.ID) {
	due := map[model.ID]bool{}
	for _, id := range ids {
		due[id] = true
		if store.Networks.ByID(p.v, id) == nil {
			p.networkGone(id)
		}
	}
	all := slices.SortedFunc(store.Networks.All(p.v), func(a, b *model.Network) int { return older(&a.Meta, &b.Meta, a.ID, b.ID) })
	var todo []*model.Network
	taken, numbers := subnets{}, vnis{}
	for _, n := range all {
		a := p.get(n.ID)
		switch {
		case a != nil && a.Done && (!needsVNI(n) || numbers.keep(a.VNI)):
			taken.add(n.Name, a)
		case a != nil || due[n.ID]:
			todo = append(todo, n)
		}
	}
	// Subnets users ask for come before those skep chooses: only the latter can move elsewhere.
	for _, asked := range []bool{true, false} {
		for _, n := range todo {
			if givesSubnet(n) != asked {
				continue
			}
			a := p.network(n, taken, numbers)
			if p.set(a); a.Done {
				taken.add(n.Name, a)
				p.networkReady(n)
			}
		}
	}
}

// network allocates one network that has nothing yet, or the number of one that has all but that.
func (p *plan) network(n *model.Network, taken subnets, numbers vnis) *model.Allocation {
	a := &model.Allocation{Owner: n.ID, Kind: model.AllocNetwork}
	if !needsVNI(n) {
		a.Done = true
		return a
	}
	if old := p.get(n.ID); old != nil && old.Done {
		a.Networks = old.Networks
		a.SetWarning(old.Warning())
		if old.VNI != 0 {
			a.SetRepaired(fmt.Sprintf("the network had the VXLAN number %d of another network and was given one of its own", old.VNI))
		}
	} else if err := p.subnets(n, a, taken); err != nil {
		a.Networks, a.Err = nil, err.Error()
		return a
	}
	vni, err := numbers.free()
	if err != nil {
		a.Networks, a.Err = nil, err.Error()
		return a
	}
	a.VNI, a.Done = vni, true
	return a
}

// needsVNI says whether a network is an overlay. Others are addressed by their drivers, those that every engine has by
// the engines, those of a configuration by the nodes that have it.
func needsVNI(n *model.Network) bool {
	spec := n.Spec.Get()
	if _, engines := spec.Labels[labelPredefined]; engines || spec.ConfigFrom != nil && spec.ConfigFrom.Network != "" {
		return false
	}
	d := spec.DriverConfiguration
	return d == nil || d.Name == "" || d.Name == "overlay"
}

// networkReady makes the nodes due when there is a routing mesh; whoever waits is asked anyway.
func (p *plan) networkReady(n *model.Network) {
	if !n.Spec.Get().Ingress {
		return
	}
	for s := range store.NodeSpecs.All(p.v) {
		p.also[model.AllocNode] = append(p.also[model.AllocNode], s.ID)
	}
}

// networkGone frees what a network had. Who has an address on it that is none any more is planned anew, but for tasks:
// they keep what they were given until they end.
func (p *plan) networkGone(id model.ID) {
	p.drop(id)
	if store.Cursors.ByID(p.v, id) != nil {
		p.res.Changes = append(p.res.Changes, store.Cursors.Delete(model.KeyOf(id)))
	}
	for _, a := range store.AddressesFrom(p.v, id, netip.Addr{}) {
		p.also[a.Kind] = append(p.also[a.Kind], a.Owner)
	}
	delete(p.also, model.AllocTask)
}

// subnets takes the subnets the user gave, and chooses one unless there is an IPv4 subnet among them.
func (p *plan) subnets(n *model.Network, a *model.Allocation, taken subnets) error {
	var gateway netip.Addr // of a configuration that leaves the subnet to skep
	for _, c := range configs(n) {
		if !c.Subnet.IsValid() {
			gateway = c.Gateway
			continue
		}
		subnet := c.Subnet.Masked()
		if other := taken.overlapping(subnet, a.Networks); other != "" {
			return fmt.Errorf("the subnet %s overlaps with %s; choose another one", subnet, other)
		}
		if err := give(a, subnet, c.Gateway); err != nil {
			return err
		}
		if err := checkRange(c, subnet, a.Networks[len(a.Networks)-1].Gateway); err != nil {
			return err
		}
	}
	if slices.ContainsFunc(a.Networks, isIPv4) {
		// Nodes are told of one subnet, and it is this one that addresses come from.
		slices.SortStableFunc(a.Networks, func(a, b model.NetworkAddr) int { return cmpBool(isIPv4(b), isIPv4(a)) })
		return nil
	}
	subnet, err := taken.free(poolsOf(store.TheCluster(p.v)), a.Networks)
	if err != nil {
		return err
	}
	if err := give(a, subnet, gateway); err != nil {
		return err
	}
	last := len(a.Networks) - 1
	a.Networks = slices.Insert(a.Networks[:last:last], 0, a.Networks[last])
	return nil
}

func isIPv4(n model.NetworkAddr) bool { return n.Addr.Addr().Is4() }

func cmpBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// give adds a subnet to a network, with the gateway asked for or the first address.
func give(a *model.Allocation, subnet netip.Prefix, gateway netip.Addr) error {
	if subnet.Addr().BitLen()-subnet.Bits() < 2 {
		return fmt.Errorf("the subnet %s has no room for a gateway and a container; choose a wider one", subnet)
	}
	if !gateway.IsValid() {
		gateway = subnet.Addr().Next()
	}
	if !subnet.Contains(gateway) {
		return fmt.Errorf("the gateway %s is not in the subnet %s; choose one that is", gateway, subnet)
	}
	a.Networks = append(a.Networks, model.NetworkAddr{NetworkID: a.Owner, Addr: subnet, Gateway: gateway})
	return nil
}

// checkRange refuses a range that has nothing to give.
func checkRange(c swarm.IPAMConfig, subnet netip.Prefix, gateway netip.Addr) error {
	if !c.Range.IsValid() {
		return nil
	}
	switch r := c.Range.Masked(); {
	case r.Bits() < subnet.Bits() || !subnet.Contains(r.Addr()):
		return fmt.Errorf("the range %s is not in the subnet %s; choose one that is", r, subnet)
	case r.IsSingleIP() && (r.Addr() == gateway || r.Addr() == subnet.Addr() || r.Addr() == lastOf(subnet)),
		r.Bits() == r.Addr().BitLen()-1 && r.Contains(gateway) && (r.Contains(subnet.Addr()) || r.Contains(lastOf(subnet))):
		return fmt.Errorf("the range %s has no address for a container; choose a wider one", r)
	}
	return nil
}

func configs(n *model.Network) []swarm.IPAMConfig {
	if o := n.Spec.Get().IPAMOptions; o != nil {
		return o.Configs
	}
	return nil
}

func givesSubnet(n *model.Network) bool {
	return slices.ContainsFunc(configs(n), func(c swarm.IPAMConfig) bool { return c.Subnet.IsValid() })
}
