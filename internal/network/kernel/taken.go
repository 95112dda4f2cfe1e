package kernel

import (
	"fmt"
	"net/netip"

	"github.com/skep-org/skep/internal/network"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Taken are the addresses that a host has, or has routes to but the default one, beside skep's own. The path is that of its
// network namespace; empty: the process's own.
func Taken(host string) ([]network.Taken, error) {
	if host == "" {
		host = hostNamespace
	}
	s, err := openSpace(host)
	if err != nil {
		return nil, fmt.Errorf("opening the host's network namespace: %w", err)
	}
	defer s.close()
	links, err := s.route.LinkList()
	if err != nil {
		return nil, fmt.Errorf("reading the host's interfaces: %w", err)
	}
	var all []network.Taken
	names := map[int]string{}
	for _, l := range links {
		if ours(l) {
			continue
		}
		name := l.Attrs().Name
		names[l.Attrs().Index] = name
		addrs, err := s.route.AddrList(l, unix.AF_INET)
		if err != nil {
			return nil, fmt.Errorf("reading the addresses of %s: %w", name, err)
		}
		for _, a := range addrs {
			p := prefixOf(a.IPNet)
			all = append(all, network.Taken{Prefix: netip.PrefixFrom(p.Addr(), 32), What: fmt.Sprintf("the address %s of %s", p, name)})
		}
	}
	routes, err := s.route.RouteListFiltered(unix.AF_INET, &netlink.Route{Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return nil, fmt.Errorf("reading the host's routes: %w", err)
	}
	for _, r := range routes {
		p := prefixOf(r.Dst)
		if r.Protocol == routeProtocol || !p.IsValid() || p.Bits() == 0 || r.LinkIndex != 0 && names[r.LinkIndex] == "" {
			continue
		}
		what := fmt.Sprintf("the route %s", p)
		if name := names[r.LinkIndex]; name != "" {
			what += " on " + name
		}
		all = append(all, network.Taken{Prefix: p, What: what})
	}
	return all, nil
}
