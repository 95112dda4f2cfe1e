package dns

import (
	"encoding/hex"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// find is what a name in lower case, without the dot at its end, leads to for an asker; known: one of its networks has
// the name. The first network with an address answers. A name may have its network's name behind it, and both may
// have dots in them: a.b.c is looked for as it is, then a.b on network c, then a on network b.c.
func (a *asker) find(name string) (addrs []netip.Addr, known bool) {
	for _, z := range a.zones {
		got, has := z.find(name)
		known = known || has
		if len(got) > 0 {
			return distinctAddrs(got), true
		}
	}
	for end := strings.LastIndexByte(name, '.'); end > 0; end = strings.LastIndexByte(name[:end], '.') {
		for _, z := range a.zones {
			if z.name != name[end+1:] {
				continue
			}
			got, has := z.find(name[:end])
			known = known || has
			if len(got) > 0 {
				return distinctAddrs(got), true
			}
		}
	}
	return nil, known
}

// distinctAddrs are each address once: services and containers that share a name may share an address as well.
func distinctAddrs(addrs []netip.Addr) []netip.Addr {
	slices.SortFunc(addrs, netip.Addr.Compare)
	return slices.Compact(addrs)
}

// names are what an address is called on the asker's networks, each with its network's name behind it.
func (a *asker) names(addr netip.Addr) []string {
	var all []string
	for _, z := range a.zones {
		names, _ := z.reverse.get(addrKey(addr))
		for _, n := range names {
			all = append(all, n.name+"."+z.of.Name)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// mine reports whether all addresses of a prefix belong to overlays of this node.
func (z *Zones) mine(p netip.Prefix) bool {
	for _, s := range z.subnets {
		if s.Bits() <= p.Bits() && s.Contains(p.Addr()) {
			return true
		}
	}
	return false
}

const (
	arpa4 = ".in-addr.arpa"
	arpa6 = ".ip6.arpa"
)

// reverse reads the addresses a name in lower case stands for in a reverse lookup: all of an address, or the part of one
// that was asked. Labels in front of it (b._dns-sd._udp.0.1.0.10.in-addr.arpa) are left aside; exact: there are none and
// the address is whole.
func reverse(name string) (p netip.Prefix, exact, ok bool) {
	if head, found := strings.CutSuffix(name, arpa4); found {
		return reverseOf(head, 4, func(label string) ([]byte, bool) {
			n, err := strconv.ParseUint(label, 10, 8)
			return []byte{byte(n)}, err == nil
		})
	}
	if head, found := strings.CutSuffix(name, arpa6); found {
		return reverseOf(head, 32, func(label string) ([]byte, bool) {
			b, err := hex.DecodeString("0" + label)
			return b, err == nil && len(b) == 1
		})
	}
	return p, false, false
}

// reverseOf reads up to most labels from the end, of which each is a byte (most is 4) or half of one (32).
func reverseOf(head string, most int, digit func(string) ([]byte, bool)) (p netip.Prefix, exact, ok bool) {
	labels := strings.Split(head, ".")
	slices.Reverse(labels)
	var raw [16]byte
	n := 0
	for ; n < min(most, len(labels)); n++ {
		d, good := digit(labels[n])
		if !good {
			break
		}
		switch {
		case most == 4:
			raw[n] = d[0]
		case n%2 == 0:
			raw[n/2] = d[0] << 4
		default:
			raw[n/2] |= d[0]
		}
	}
	exact = n == most && len(labels) == most
	if most == 4 {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte(raw[:4])), n*8), exact, n > 0
	}
	return netip.PrefixFrom(netip.AddrFrom16(raw), n*4), exact, n > 0
}
