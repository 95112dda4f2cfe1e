package engine

import (
	"errors"
	"net/netip"
	"strings"
)

// freePool picks the first /16 of 10.100.0.0 … 10.227.0.0 that overlaps none of the prefixes in use. Docker's own
// default pools (172.17 and up, 192.168) and the swarm's (10.0 and up, 10.255) are left to engines that use them.
func freePool(used []netip.Prefix) (netip.Prefix, error) {
	for second := byte(100); second < 228; second++ {
		pool := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, second, 0, 0}), 16)
		if !overlapsAny(pool, used) {
			return pool, nil
		}
	}
	return netip.Prefix{}, errors.New("every address range from 10.100.0.0/16 to 10.227.0.0/16 overlaps a route of this machine")
}

func overlapsAny(p netip.Prefix, used []netip.Prefix) bool {
	for _, u := range used {
		// A default route, or one for all of 10.0.0.0/8, is a way out, not a use: a narrower route wins over it.
		if u.Bits() > 8 && u.Overlaps(p) {
			return true
		}
	}
	return false
}

// prefixesIn finds the destinations in the output of `ip -oneline route`: each word that is an address or a prefix.
// Gateways and source addresses are taken too, which only makes the choice more careful.
func prefixesIn(routes string) []netip.Prefix {
	var found []netip.Prefix
	for word := range strings.FieldsSeq(routes) {
		if p, err := netip.ParsePrefix(word); err == nil {
			found = append(found, p)
		} else if a, err := netip.ParseAddr(word); err == nil {
			found = append(found, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	return found
}

// bridgesIn reads the output of `ip -oneline addr`: the links with an address of the pool, and the links of other
// Docker Engines that keep rules in the firewall, by the names those give. (Bridges of other private engines are neither:
// such an engine either owns the firewall's chains or stays out of them.)
func bridgesIn(addrs string, pool netip.Prefix) (ours, others []string) {
	for line := range strings.Lines(addrs) {
		fields := strings.Fields(line) // "7: docker0    inet 172.17.0.1/16 …"
		if len(fields) < 4 {
			continue
		}
		link := fields[1]
		addr, err := netip.ParsePrefix(fields[3])
		switch {
		case err != nil:
		case pool.Contains(addr.Addr()):
			ours = append(ours, link)
		case link == "docker0", strings.HasPrefix(link, "br-"), strings.HasPrefix(link, "docker_"):
			others = append(others, link)
		}
	}
	return ours, others
}
