package allocator

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"github.com/skep-org/skep/internal/model"
)

// defaultSubnetSize is the prefix length of subnets skep chooses: room for 4,094 addresses.
const defaultSubnetSize = 20

// pools is where subnets are cut from.
type pools struct {
	from []netip.Prefix
	size int
}

func poolsOf(c *model.Cluster) pools {
	p := pools{size: defaultSubnetSize}
	if c != nil {
		p.from = c.AddrPools
		if c.SubnetSize != 0 {
			p.size = int(c.SubnetSize)
		}
	}
	if len(p.from) == 0 {
		p.from = []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10}), 8)}
	}
	return p
}

func (p pools) String() string {
	var s []string
	for _, f := range p.from {
		s = append(s, f.String())
	}
	return strings.Join(s, ", ")
}

// subnets maps what is taken to the name of the network that has it.
type subnets map[netip.Prefix]string

func (s subnets) add(name string, a *model.Allocation) {
	for _, n := range a.Networks {
		s[n.Addr] = name
	}
}

// overlapping says in words what takes part of subnet already; empty when nothing does. own is what the same network
// was given before.
func (s subnets) overlapping(subnet netip.Prefix, own []model.NetworkAddr) string {
	for _, o := range own {
		if o.Addr.Overlaps(subnet) {
			return fmt.Sprintf("%s of the same network", o.Addr)
		}
	}
	var found netip.Prefix
	for t := range s {
		if t.Overlaps(subnet) && (!found.IsValid() || t.Addr().Less(found.Addr())) {
			found = t
		}
	}
	if !found.IsValid() {
		return ""
	}
	return fmt.Sprintf("%s of network %s", found, s[found])
}

// free is the lowest subnet of the pools that overlaps with none taken.
func (s subnets) free(p pools, own []model.NetworkAddr) (netip.Prefix, error) {
	for _, pool := range p.from {
		pool = pool.Masked()
		if !pool.Addr().Is4() {
			continue
		}
		size := max(p.size, pool.Bits())
		if size > 30 {
			continue // no room for a gateway and a container
		}
		for c := netip.PrefixFrom(pool.Addr(), size); pool.Contains(c.Addr()); {
			blocking, blocked := s.blocking(c, own)
			if !blocked {
				return c, nil
			}
			next, ok := after(blocking, size)
			if !ok {
				break
			}
			c = next
		}
	}
	return netip.Prefix{}, fmt.Errorf("no free subnet: the address pools (%s) are used up by %d subnets; remove a network, or give one with --subnet", p, len(s))
}

// blocking is the widest of the taken subnets that overlap with c, so that the search skips it as a whole.
func (s subnets) blocking(c netip.Prefix, own []model.NetworkAddr) (widest netip.Prefix, blocked bool) {
	widest = c
	for _, o := range own {
		if o.Addr.Overlaps(c) {
			blocked = true
			widest = wider(widest, o.Addr)
		}
	}
	if _, exact := s[c]; exact {
		return widest, true // the common case, without a walk over all
	}
	for t := range s {
		if t.Overlaps(c) {
			blocked = true
			widest = wider(widest, t)
		}
	}
	return widest, blocked
}

func wider(a, b netip.Prefix) netip.Prefix {
	if b.Bits() < a.Bits() {
		return b
	}
	return a
}

// after is the first subnet of the given size behind p; false at the end of the address space.
func after(p netip.Prefix, size int) (netip.Prefix, bool) {
	first := p.Masked().Addr().As4()
	next := uint64(binary.BigEndian.Uint32(first[:])) + 1<<(32-p.Bits())
	if next > 1<<32-1 {
		return netip.Prefix{}, false
	}
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], uint32(next))
	return netip.PrefixFrom(netip.AddrFrom4(b), size), true
}
