package allocator

import (
	"errors"
	"fmt"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// guest gives a container that no task runs an address on the network it is on: the one its user asked for, or any.
func (p *plan) guest(id model.ID) {
	g := store.Attachments.ByID(p.v, id)
	if g == nil {
		p.drop(id)
		return
	}
	a := &model.Allocation{Owner: id, Kind: model.AllocAttachment, Done: true}
	if err := p.admit(g, a); err != nil {
		a.Done, a.Networks, a.Err = false, nil, err.Error()
	}
	p.set(a)
}

func (p *plan) admit(g *model.Attachment, a *model.Allocation) error {
	n := store.Networks.ByID(p.v, g.NetworkID)
	if n == nil {
		return errors.New("the network was removed")
	}
	if err := p.ready(n); err != nil {
		return err
	}
	switch s := p.space(n); {
	case s == nil:
		return fmt.Errorf("network %s has no addresses to give", n.Name)
	case !n.Spec.Get().Attachable:
		return fmt.Errorf("network %s is not attachable: make it with --attachable", n.Name)
	case !g.Addr.IsValid():
		return p.keepOrGive(a, n)
	default:
		return s.giveAsked(g, a)
	}
}

// giveAsked gives the address that was asked for, and no other.
func (s *space) giveAsked(g *model.Attachment, a *model.Allocation) error {
	if !s.subnet.Contains(g.Addr) {
		return fmt.Errorf("the address %s is not in the subnet %s of network %s", g.Addr, s.subnet, s.network.Name)
	}
	if g.Addr == s.gateway {
		return fmt.Errorf("the address %s is the gateway of network %s", g.Addr, s.network.Name)
	}
	if s.reserved(g.Addr) {
		return fmt.Errorf("the address %s stands for the whole subnet of network %s", g.Addr, s.network.Name)
	}
	if other := s.holder(g.Addr, a.Owner); !other.IsZero() && !(s.p.has(a.Owner, s.network.ID, g.Addr) && s.p.precedes(s.p.get(a.Owner), s.p.get(other))) {
		return fmt.Errorf("the address %s of network %s is in use", g.Addr, s.network.Name)
	}
	a.Networks = append(a.Networks, s.take(g.Addr, a.Owner))
	return nil
}
