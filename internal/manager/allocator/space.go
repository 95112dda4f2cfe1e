package allocator

import (
	"fmt"
	"net/netip"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// space is the addresses of one network. It is made when a plan first needs it and walks no rows: what is in use is
// looked up where the search stands.
type space struct {
	p       *plan
	network *model.Network
	subnet  netip.Prefix
	gateway netip.Addr
	first   netip.Addr // addresses are chosen from first to last
	last    netip.Addr
	next    netip.Addr              // where the search goes on
	taken   map[netip.Addr]model.ID // by this plan
	moved   bool
	full    bool
}

// space is where a network's addresses come from; nil when it has none to give.
func (p *plan) space(n *model.Network) *space {
	if s, ok := p.spaces[n.ID]; ok {
		return s
	}
	var s *space
	if a := p.get(n.ID); a != nil && a.Done {
		for _, sub := range a.Networks {
			if sub.Addr.Addr().Is4() {
				s = newSpace(p, n, sub)
				break
			}
		}
	}
	p.spaces[n.ID] = s
	if s != nil {
		p.used = append(p.used, s)
	}
	return s
}

func newSpace(p *plan, n *model.Network, sub model.NetworkAddr) *space {
	s := &space{p: p, network: n, subnet: sub.Addr, gateway: sub.Gateway, taken: map[netip.Addr]model.ID{}}
	from := rangeIn(n, sub.Addr)
	s.first, s.last = from.Addr(), lastOf(from)
	for s.first.Less(s.last) && s.reserved(s.first) {
		s.first = s.first.Next()
	}
	for s.first.Less(s.last) && s.reserved(s.last) {
		s.last = s.last.Prev()
	}
	s.next = s.first
	if c := store.Cursors.ByID(p.v, n.ID); c != nil && !c.Next.Less(s.first) && !s.last.Less(c.Next) {
		s.next = c.Next
	}
	return s
}

// rangeIn is the part of a subnet that addresses are chosen from: all of it unless its user gave a range.
func rangeIn(n *model.Network, subnet netip.Prefix) netip.Prefix {
	for _, c := range configs(n) {
		if c.Range.IsValid() && c.Range.Bits() >= subnet.Bits() && subnet.Contains(c.Range.Addr()) {
			return c.Range.Masked()
		}
	}
	return subnet.Masked()
}

// reserved are the addresses nobody is given: the gateway's, and the two that mean the subnet as a whole.
func (s *space) reserved(a netip.Addr) bool {
	return a == s.gateway || a == s.subnet.Masked().Addr() || a == lastOf(s.subnet)
}

// find chooses the next free address behind the last one given, and from the start when the end is reached: so an
// address that was given up is nobody's for as long as possible.
func (s *space) find() (netip.Addr, error) {
	if !s.full {
		if a := s.search(s.next, s.last); a.IsValid() {
			return a, nil
		}
		if a := s.search(s.first, s.next); a.IsValid() {
			return a, nil
		}
		s.full = true
	}
	return netip.Addr{}, fmt.Errorf("network %s: all %d addresses of %s are in use; remove what is on it, or make a network with a wider --subnet",
		s.network.Name, s.size(), s.where())
}

func (s *space) where() string {
	if from := rangeIn(s.network, s.subnet); from != s.subnet {
		return fmt.Sprintf("the range %s", from)
	}
	return s.subnet.String()
}

// search finds the first free address of those from one to another; an invalid one: there is none.
func (s *space) search(from, to netip.Addr) netip.Addr {
	c := s.skip(from)
	for addr, row := range store.AddressesFrom(s.p.v, s.network.ID, from) {
		if c.Less(addr) || to.Less(c) {
			break
		}
		if addr == c && s.p.still(row, s.network.ID, addr) {
			c = s.skip(c.Next())
		}
	}
	if to.Less(c) {
		return netip.Addr{}
	}
	return c
}

// skip goes on to the first address that is neither reserved nor given by this plan.
func (s *space) skip(a netip.Addr) netip.Addr {
	for ; s.reserved(a) || s.takenNow(a); a = a.Next() {
	}
	return a
}

func (s *space) takenNow(a netip.Addr) bool {
	owner, ok := s.taken[a]
	return ok && s.p.has(owner, s.network.ID, a)
}

// holder is who else has an address; zero: nobody.
func (s *space) holder(a netip.Addr, but model.ID) model.ID {
	if owner, ok := s.taken[a]; ok && owner != but && s.p.has(owner, s.network.ID, a) {
		return owner
	}
	for addr, row := range store.AddressesFrom(s.p.v, s.network.ID, a) {
		if addr != a {
			break
		}
		if row.Owner != but && s.p.still(row, s.network.ID, a) {
			return row.Owner
		}
	}
	return model.ID{}
}

// take notes that an owner, whose row is about to be set, has an address.
func (s *space) take(a netip.Addr, owner model.ID) model.NetworkAddr {
	s.taken[a] = owner
	s.p.wakeUsage(s.network.ID)
	return model.NetworkAddr{NetworkID: s.network.ID, Addr: netip.PrefixFrom(a, s.subnet.Bits()), Gateway: s.gateway}
}

// takeNext is take for an address that find chose.
func (s *space) takeNext(a netip.Addr, owner model.ID) model.NetworkAddr {
	if s.next, s.moved = a.Next(), true; s.last.Less(s.next) {
		s.next = s.first
	}
	return s.take(a, owner)
}

// released notes that an address is given up.
func (p *plan) released(n model.NetworkAddr) {
	if s := p.spaces[n.NetworkID]; s != nil {
		s.full = false
	}
	p.wakeUsage(n.NetworkID)
}

// keepCursors writes where the searches of this plan ended.
func (p *plan) keepCursors() {
	for _, s := range p.used {
		old := store.Cursors.ByID(p.v, s.network.ID)
		if s.moved && (old == nil || old.Next != s.next) && p.get(s.network.ID) != nil {
			p.res.Changes = append(p.res.Changes, store.Cursors.Put(&model.Cursor{NetworkID: s.network.ID, Next: s.next}))
		}
	}
}

// lastOf is the highest address of a subnet.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}
