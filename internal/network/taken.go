package network

import (
	"fmt"
	"net/netip"
)

// Taken are addresses that a host uses beside the cluster's networks, for something.
type Taken struct {
	Prefix netip.Prefix
	What   string // "the route 10.0.0.0/8 on eth0"
}

// Overlapping says what of a host's a subnet shares addresses with; empty: nothing. The ingress network is a route of each
// host's own: what it shares with something else of the host's is not reached there any more.
func Overlapping(subnet netip.Prefix, taken []Taken) string {
	for _, t := range taken {
		if t.Prefix.Overlaps(subnet) {
			return t.What
		}
	}
	return ""
}

// DefaultIngress is the ingress network's subnet where nothing speaks against it.
func DefaultIngress() netip.Prefix { return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 255}), 16) }

// ChooseIngress is a subnet for the ingress network of a cluster without address pools of its own: the first that the host
// uses for nothing else. They are taken from the ends of the ranges that are nobody's in particular, which sites use last.
func ChooseIngress(taken []Taken) (netip.Prefix, error) {
	var why string
	for _, from := range []struct{ a, last, first byte }{{10, 255, 240}, {172, 31, 24}, {198, 19, 18}, {100, 127, 120}} {
		for b := int(from.last); b >= int(from.first); b-- {
			subnet := netip.PrefixFrom(netip.AddrFrom4([4]byte{from.a, byte(b)}), 16)
			what := Overlapping(subnet, taken)
			if what == "" {
				return subnet, nil
			}
			if why == "" {
				why = fmt.Sprintf("%s overlaps %s", subnet, what)
			}
		}
	}
	return netip.Prefix{}, fmt.Errorf("no subnet for the ingress network is free on this host, %s: name one with --default-addr-pool", why)
}

// SubnetSize is the length of subnets that are cut from pools for which none is given: room for 4,094 addresses.
const SubnetSize = 20

// mostCuts bounds how many subnets of a pool are looked at.
const mostCuts = 1 << 16

// CutIngress is the subnet of the given pools for the ingress network, cut at a length: the first that the host uses for
// nothing else.
func CutIngress(pools []netip.Prefix, bits int, taken []Taken) (netip.Prefix, error) {
	var why string
	for _, pool := range pools {
		pool = pool.Masked()
		if !pool.Addr().Is4() || bits < pool.Bits() || bits > 32 {
			continue // for the allocator to say
		}
		cut := pool.Addr()
		for range min(mostCuts, 1<<(bits-pool.Bits())) {
			subnet := netip.PrefixFrom(cut, bits)
			what := Overlapping(subnet, taken)
			if what == "" {
				return subnet, nil
			}
			if why == "" {
				why = fmt.Sprintf("%s overlaps %s", subnet, what)
			}
			cut = after(subnet)
		}
	}
	if why == "" {
		return netip.Prefix{}, nil
	}
	return netip.Prefix{}, fmt.Errorf("the address pool has no subnet for the ingress network that is free on this host, %s: name another one with --default-addr-pool", why)
}

// after is the first address behind a subnet.
func after(p netip.Prefix) netip.Addr {
	raw := p.Addr().As4()
	n := uint32(raw[0])<<24 | uint32(raw[1])<<16 | uint32(raw[2])<<8 | uint32(raw[3])
	n += uint32(1) << (32 - p.Bits())
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}
