package allocator

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// networks plans the given networks and every one that waits, and returns the tasks that may now go on.
func (p *plan) networks(ids []model.ID) []model.ID {
	due := map[model.ID]bool{}
	for _, id := range ids {
		due[id] = true
		if store.Networks.ByID(p.v, id) == nil {
			p.drop(id)
		}
	}
	var todo []*model.Network
	taken := subnets{}
	for n := range store.Networks.All(p.v) {
		a := p.get(n.ID)
		switch {
		case a != nil && a.Done:
			taken.add(n.Name, a)
		case a != nil || due[n.ID]:
			todo = append(todo, n)
		}
	}
	// Subnets users ask for come before those skep chooses: only the latter can move elsewhere.
	slices.SortFunc(todo, older)
	ready := map[model.ID]bool{}
	for _, asked := range []bool{true, false} {
		for _, n := range todo {
			if givesSubnet(n) != asked {
				continue
			}
			a := p.network(n, taken)
			p.set(a)
			if a.Done {
				taken.add(n.Name, a)
				ready[n.ID] = true
			}
		}
	}
	return p.waitingFor(ready)
}

// network allocates one network that has nothing yet.
func (p *plan) network(n *model.Network, taken subnets) *model.Allocation {
	a := &model.Allocation{Owner: n.ID, Kind: model.AllocNetwork}
	spec := n.Spec.Get()
	if d := spec.DriverConfiguration; d != nil && d.Name != "" && d.Name != "overlay" {
		a.Done = true // another driver addresses its networks itself
		return a
	}
	if err := p.subnets(n, a, taken); err != nil {
		a.Networks, a.Err = nil, err.Error()
		return a
	}
	a.Done = true
	return a
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
	}
	if slices.ContainsFunc(a.Networks, func(n model.NetworkAddr) bool { return n.Addr.Addr().Is4() }) {
		return nil
	}
	subnet, err := taken.free(poolsOf(store.TheCluster(p.v)), a.Networks)
	if err != nil {
		return err
	}
	return give(a, subnet, gateway)
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

func configs(n *model.Network) []swarm.IPAMConfig {
	if o := n.Spec.Get().IPAMOptions; o != nil {
		return o.Configs
	}
	return nil
}

func givesSubnet(n *model.Network) bool {
	return slices.ContainsFunc(configs(n), func(c swarm.IPAMConfig) bool { return c.Subnet.IsValid() })
}

// waitingFor lists the tasks whose revision names one of the networks.
func (p *plan) waitingFor(networks map[model.ID]bool) []model.ID {
	if len(networks) == 0 {
		return nil
	}
	var tasks []model.ID
	for rev := range store.Revisions.All(p.v) {
		if !slices.ContainsFunc(targets(rev), func(t string) bool { id, err := model.ParseID(t); return err == nil && networks[id] }) {
			continue
		}
		for t := range store.TasksOf(p.v, rev.ServiceID) {
			if a := p.get(t.ID); t.Revision == rev.ID && (a == nil || !a.Done) {
				tasks = append(tasks, t.ID)
			}
		}
	}
	return tasks
}

// targets are the networks a revision's tasks join, as the API left them: ids of cluster networks, names of others.
func targets(rev *model.ServiceRevision) []string {
	var out []string
	for _, n := range rev.Spec.Get().TaskTemplate.Networks {
		out = append(out, n.Target)
	}
	return out
}
