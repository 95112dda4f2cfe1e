package allocator

import (
	"fmt"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// node gives a member of the cluster its address on the ingress network, once there is one.
func (p *plan) node(id model.ID) {
	n, err := p.ingress()
	if store.NodeSpecs.ByID(p.v, id) == nil || err != nil {
		p.drop(id) // every node is asked again when the network is ready
		return
	}
	a := &model.Allocation{Owner: id, Kind: model.AllocNode, Done: true}
	if err := p.keepOrGive(a, n); err != nil {
		a.Done, a.Err = false, err.Error()
	}
	p.set(a)
}

// keepOrGive leaves an owner other than a task the address it has on a network, or gives it one.
func (p *plan) keepOrGive(a *model.Allocation, n *model.Network) error {
	old, s := p.get(a.Owner), p.space(n)
	if had := addressOf(old, n.ID); had != nil && s.subnet.Contains(had.Addr.Addr()) {
		other := s.holder(had.Addr.Addr(), a.Owner)
		keeps := other.IsZero() || p.precedes(old, p.get(other))
		if !keeps && p.fixed(old) {
			keeps = true
			a.SetRepaired(fmt.Sprintf("the address %s is that of %s, too; start the container anew", had.Addr.Addr(), other))
		}
		if keeps {
			a.Networks = append(a.Networks, *had)
			return nil
		}
		a.SetRepaired(fmt.Sprintf("the address %s was that of %s, too; another one was given", had.Addr.Addr(), other))
	}
	addr, err := s.find()
	if err != nil {
		return err
	}
	a.Networks = append(a.Networks, s.takeNext(addr, a.Owner))
	return nil
}
