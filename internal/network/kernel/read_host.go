package kernel

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"github.com/google/nftables"
	"github.com/skep-org/skep/internal/network"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// readHost reads what the host's own namespace holds. Of sysctls it reads those that are wanted.
func (k *Kernel) readHost(want *network.Host) (*network.Host, error) {
	h := &network.Host{}
	names := make([]string, 0, len(want.Sysctls))
	for name := range want.Sysctls {
		names = append(names, name)
	}
	var err error
	if h.Sysctls, err = k.host.sysctls(names); err != nil {
		return nil, err
	}
	in := &network.Ingress{}
	if err := k.readTable(h, in); err != nil {
		return nil, err
	}
	if err := k.readRoutes(in); err != nil {
		return nil, err
	}
	if err := k.readPolicy(in); err != nil {
		return nil, err
	}
	if in.Accepted, err = k.accepted(); err != nil {
		return nil, err
	}
	h.Ingress = in
	return h, nil
}

// readTable reads the host's table of rules. One that is not as it was made counts as absent.
func (k *Kernel) readTable(h *network.Host, in *network.Ingress) error {
	r, err := k.host.openRules()
	if err != nil {
		return err
	}
	comments, err := r.comments()
	if err != nil || len(comments[chainGuard]) == 0 {
		return err
	}
	f, ok := parseFrame(comments[chainGuard][0])
	if !ok || !f.intact(comments) {
		return nil
	}
	from, err := r.addresses(members())
	if err != nil {
		return err
	}
	h.Port, h.Members = f.port, from
	if err := k.readSixth(h); err != nil {
		return err
	}
	if !f.subnet.IsValid() {
		return nil
	}
	in.Subnet, in.Own, in.Unmarked = f.subnet, f.own, f.unmarked
	if in.Clients, err = r.addresses(clients()); err != nil {
		return err
	}
	if in.Marks, err = r.readMarks(); err != nil {
		return err
	}
	in.Published, err = r.readPublished(comments)
	return err
}

// intact says whether all rules that hold the table together are there, and no other.
func (f frame) intact(comments map[string][]string) bool {
	rules := map[string]int{chainGuard: 1, chainArriving: 4, chainLeaving: 1}
	if f.subnet.IsValid() {
		rules = map[string]int{
			chainGuard: 3, chainArriving: 4, chainLeaving: 1, "marking": 2, "entry": 1, "prerouting": 1, "output": 1, "refuse": 2, "postrouting": 4, "forward": 6,
		}
		if f.unmarked {
			rules["postrouting"]++
		}
	}
	is := f.String()
	for chain, n := range rules {
		list := comments[chain]
		if len(list) != n {
			return false
		}
		for _, c := range list {
			if c != is {
				return false
			}
		}
	}
	return true
}

func (r *ruleConn) elements(s *nftables.Set) ([]nftables.SetElement, error) {
	s.Table = r.table
	list, err := r.conn.GetSetElements(s)
	if err != nil {
		return nil, fmt.Errorf("reading the set %s: %w", s.Name, err)
	}
	return list, nil
}

func (r *ruleConn) addresses(s *nftables.Set) (map[netip.Addr]struct{}, error) {
	list, err := r.elements(s)
	all := make(map[netip.Addr]struct{}, len(list))
	for _, e := range list {
		if a, ok := netip.AddrFromSlice(e.Key); ok {
			all[a] = struct{}{}
		}
	}
	return all, err
}

func (r *ruleConn) readMarks() (map[network.LinkAddr]uint32, error) {
	list, err := r.elements(marks())
	all := make(map[network.LinkAddr]uint32, len(list))
	for _, e := range list {
		if len(e.Key) >= 6 && len(e.Val) >= 4 {
			all[network.LinkAddr(e.Key[:6])] = binary.NativeEndian.Uint32(e.Val)
		}
	}
	return all, err
}

func (r *ruleConn) readPublished(comments map[string][]string) (map[network.PortKey]*network.Backends, error) {
	list, err := r.elements(published())
	if err != nil {
		return nil, err
	}
	refused, err := r.elements(closed())
	if err != nil {
		return nil, err
	}
	none := map[network.PortKey]bool{}
	for _, e := range refused {
		none[portOf(e.Key)] = true
	}
	all := make(map[network.PortKey]*network.Backends, len(list))
	empty := network.NewBackends(nil).Sum
	for _, e := range list {
		p := portOf(e.Key)
		sum := sumOf(comments[entryChain(p)], 1)
		if none[p] != (sum == empty) {
			sum = ""
		}
		all[p] = &network.Backends{Sum: sum}
	}
	return all, nil
}

// routeProtocol marks the routes of skep, so that those of others are left alone.
const routeProtocol = 0x5C

// readRoutes reads the ways to containers and nodes, and back.
func (k *Kernel) readRoutes(in *network.Ingress) error {
	links, err := k.host.route.LinkList()
	if err != nil {
		return fmt.Errorf("reading the host's interfaces: %w", err)
	}
	names := map[int]string{}
	for _, l := range links {
		names[l.Attrs().Index] = l.Attrs().Name
	}
	list, err := k.host.route.RouteListFiltered(unix.AF_INET, &netlink.Route{Protocol: routeProtocol, Table: unix.RT_TABLE_UNSPEC},
		netlink.RT_FILTER_PROTOCOL|netlink.RT_FILTER_TABLE)
	if err != nil {
		return fmt.Errorf("reading the host's routes: %w", err)
	}
	in.Routes, in.Returns = map[netip.Prefix]network.Route{}, map[uint32]netip.Addr{}
	for _, r := range list {
		via, _ := netip.AddrFromSlice(r.Gw.To4())
		if uint32(r.Table)&network.MarkMask == network.MarkBase {
			if names[r.LinkIndex] == network.IngressLink && (r.Dst == nil || prefixOf(r.Dst).Bits() == 0) {
				in.Returns[uint32(r.Table)] = via
			}
			continue
		}
		to := network.Route{Via: via, Dev: names[r.LinkIndex]}
		if r.Type == unix.RTN_UNREACHABLE {
			to = network.Route{}
		}
		in.Routes[prefixOf(r.Dst)] = to
	}
	return nil
}

// readPolicy reads the rules for marked packets.
func (k *Kernel) readPolicy(in *network.Ingress) error {
	list, err := k.host.route.RuleList(unix.AF_INET)
	if err != nil {
		return fmt.Errorf("reading the host's policy rules: %w", err)
	}
	in.Rules = map[network.Rule]struct{}{}
	for _, r := range list {
		if r.Mark&network.MarkMask != network.MarkBase || r.Src == nil {
			continue
		}
		rule := network.Rule{From: prefixOf(r.Src), Priority: uint32(r.Priority), Mark: r.Mark, Mask: 0xFFFFFFFF}
		if r.Mask != nil {
			rule.Mask = *r.Mask
		}
		if r.Goto > 0 {
			rule.Goto = uint32(r.Goto)
		} else {
			rule.Table = uint32(r.Table)
		}
		in.Rules[rule] = struct{}{}
	}
	return nil
}

// ours says whether an interface is one of skep's: by its kind, and by a name as skep gives it.
func ours(l netlink.Link) bool {
	name := l.Attrs().Name
	if name == network.IngressLink {
		return l.Type() == "vxlan"
	}
	for prefix, kind := range map[string]string{network.LinkPrefix: "veth", "sbox": "veth", "skvx": "vxlan"} {
		number, ok := strings.CutPrefix(name, prefix)
		if ok && l.Type() == kind && len(name) == unix.IFNAMSIZ-1 && strings.Trim(number, "0123456789abcdef") == "" {
			return true
		}
	}
	return false
}
