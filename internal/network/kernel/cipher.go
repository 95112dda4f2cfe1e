package kernel

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// cipherFile is what the namespace of the encryption is bound to.
const cipherFile = "encryption"

// cipherID stands for that namespace among those of networks; none has it.
func cipherID() model.ID { return model.ID{0xFE} }

// The chains in the namespace of the encryption: what passes through, and what is for itself.
const (
	chainGates = "gates"
	chainLocal = "local"
)

// cipherOps does operations in the namespace of the encryption.
func (k *Kernel) cipherOps(ops []network.Op) error {
	s, err := k.space(cipherID())
	if err != nil {
		return err
	}
	for _, op := range ops {
		if op.Kind == network.KindCipher && op.Act == network.Remove {
			return k.dropCipher()
		}
		if op.Kind == network.KindCipher {
			if s, err = k.makeCipher(); err != nil {
				return fmt.Errorf("%s: %w", op, err)
			}
			continue
		}
		if s == nil {
			return fmt.Errorf("%s: there is no namespace of the encryption", op)
		}
		if err := k.cipherOp(s, op); err != nil {
			return fmt.Errorf("%s: %w", op, err)
		}
	}
	return nil
}

func (k *Kernel) cipherOp(s *space, op network.Op) error {
	switch op.Kind {
	case network.KindDevice:
		if op.Act == network.Remove {
			return k.removeDevice(s, op.Name)
		}
		return k.makeDevice(s, op.Name, op.Device)
	case network.KindPeer:
		return s.setPeer(op)
	case network.KindGates:
		return s.setGates(op.Encrypt)
	case network.KindCovert:
		return s.covert(op)
	}
	return fmt.Errorf("%s is nothing the encryption has", op.Kind)
}

// makeCipher makes the namespace of the encryption. Nothing passes there before networks are let through.
func (k *Kernel) makeCipher() (*space, error) {
	s, err := k.makeSpace(cipherID())
	if err != nil {
		return nil, err
	}
	nothing := &network.Encrypted{}
	nothing.Gated = nothing.Sum()
	if err := s.setGates(nothing); err != nil {
		return nil, err
	}
	return s, s.setSysctls(cipherSysctls())
}

// cipherSysctls have the namespace forward. While one key takes the place of another, packets from a node come by one device
// and those for it go by the other.
func cipherSysctls() [][2]string {
	return [][2]string{
		{"net/ipv4/ip_forward", "1"},
		{"net/ipv4/conf/all/rp_filter", "0"}, {"net/ipv4/conf/default/rp_filter", "0"},
		{"net/ipv4/conf/all/send_redirects", "0"}, {"net/ipv4/conf/default/send_redirects", "0"},
	}
}

// dropCipher takes the namespace of the encryption away, and the devices before it: what runs them ends with them.
func (k *Kernel) dropCipher() error {
	s, err := k.space(cipherID())
	if err != nil || s == nil {
		return err
	}
	links, err := s.route.LinkList()
	if err != nil {
		return fmt.Errorf("reading the interfaces of the encryption: %w", err)
	}
	for _, l := range links {
		if isDevice(l.Attrs().Name) {
			err = errors.Join(err, k.removeDevice(s, l.Attrs().Name))
		} else if l.Type() == "veth" {
			err = errors.Join(err, s.removeLinks(l.Attrs().Name))
		}
	}
	return errors.Join(err, k.dropSpace(cipherID()))
}

// isDevice says whether an interface's name is that of a device.
func isDevice(name string) bool { return strings.HasPrefix(name, devicePrefix) }

// setGates lets through what is from a network and for it, between its interface and the devices, and nothing else: neither
// from network to network nor from device to device. What is for the namespace itself is for the node: see [network.Mesh].
func (s *space) setGates(e *network.Encrypted) error {
	if err := s.setMesh(e.Mesh); err != nil {
		return err
	}
	r, err := s.openRules()
	if err != nil {
		return err
	}
	defer s.closeRules()
	r.renew()
	c := r.base(chainGates, nftables.ChainTypeFilter, nftables.ChainHookForward, 0)
	devices := func(key expr.MetaKey) []expr.Any { return name(key, expr.CmpOpEq, devicePrefix, false) }
	for gate, g := range e.Gates {
		between := append(append(append(source(), within(g.Subnet)...), destination()...), within(g.Subnet)...)
		r.rule(c, e.Gated, name(expr.MetaKeyIIFNAME, expr.CmpOpEq, gate, true), devices(expr.MetaKeyOIFNAME), between, accept())
		r.rule(c, e.Gated, devices(expr.MetaKeyIIFNAME), name(expr.MetaKeyOIFNAME, expr.CmpOpEq, gate, true), between, accept())
	}
	r.rule(c, e.Gated, drop())
	in := r.base(chainLocal, nftables.ChainTypeFilter, nftables.ChainHookInput, 0)
	for _, is := range taken(e.Mesh) {
		r.rule(in, e.Gated, devices(expr.MetaKeyIIFNAME), fromNodes(e.Mesh.Own), is, accept())
	}
	r.rule(in, e.Gated, drop())
	if err := r.commit(); err != nil {
		return fmt.Errorf("keeping encrypted networks apart: %w", err)
	}
	return nil
}

// taken is what the namespace itself takes of other nodes.
func taken(m network.Mesh) (all [][]expr.Any) {
	if m.Own.IsValid() {
		all = append(all, protocol(unix.IPPROTO_ICMP))
	}
	if m.Port != 0 {
		all = append(all, append(protocol(unix.IPPROTO_UDP), destinationPort(m.Port)...))
	}
	return all
}

// fromNodes says that a packet is from another node's address on the ingress network, and for this one's.
func fromNodes(own netip.Prefix) []expr.Any {
	return append(append(append(source(), within(own)...), destination()...), within(netip.PrefixFrom(own.Addr(), own.Addr().BitLen()))...)
}

// setMesh has the namespace bear the node's address on the ingress network, or none. The interface it is on is always there.
func (s *space) setMesh(m network.Mesh) error {
	lo, err := s.link("lo")
	if err != nil || lo == nil {
		return errors.Join(err, errors.New("the namespace of the encryption has no interface lo"))
	}
	own := netip.Prefix{}
	if m.Own.IsValid() {
		own = netip.PrefixFrom(m.Own.Addr(), m.Own.Addr().BitLen())
	}
	if err := s.setAddrs(lo, own); err != nil {
		return err
	}
	if err := s.route.LinkSetUp(lo); err != nil {
		return fmt.Errorf("bringing lo up: %w", err)
	}
	return nil
}

// covert sets or removes the way to another node's container.
func (s *space) covert(op network.Op) error {
	r := &netlink.Route{Dst: ipNet(netip.PrefixFrom(op.Addr, op.Addr.BitLen())), Scope: netlink.SCOPE_LINK, Protocol: routeProtocol}
	if op.Act == network.Remove {
		if err := s.route.RouteDel(r); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
		return nil
	}
	l, err := s.link(op.Name)
	if err != nil || l == nil {
		return errors.Join(err, fmt.Errorf("interface %s is missing", op.Name))
	}
	r.LinkIndex = l.Attrs().Index
	return s.route.RouteReplace(r)
}

// readCipher reads what carries encrypted networks; nil: there is nothing of it.
func (k *Kernel) readCipher() (*network.Encrypted, error) {
	s, err := k.space(cipherID())
	if err != nil || s == nil {
		return nil, err
	}
	ok, err := s.asSet(cipherSysctls())
	if err != nil {
		return nil, err
	}
	e := &network.Encrypted{Devices: map[string]*network.Device{}, Routes: map[netip.Addr]string{}}
	e.Namespace = ok && IsNamespace(k.path(cipherID()))
	r, err := s.openRules()
	if err != nil {
		return nil, err
	}
	comments, err := r.comments()
	s.closeRules()
	if err != nil {
		return nil, fmt.Errorf("reading the rules of the encryption: %w", err)
	}
	e.Gated = gated(comments)
	links, err := s.route.LinkList()
	if err != nil {
		return nil, fmt.Errorf("reading the interfaces of the encryption: %w", err)
	}
	names := map[int]string{}
	for _, l := range links {
		a := l.Attrs()
		if a.Name == "lo" && a.Flags&unix.IFF_UP != 0 {
			if own, err := s.onlyAddr(l); err != nil {
				return nil, err
			} else if own.IsValid() && !own.Addr().IsLoopback() {
				e.Mesh.Own = own
			}
		}
		if !isDevice(a.Name) || a.Flags&unix.IFF_UP == 0 {
			continue
		}
		names[a.Index] = a.Name
		if dev := s.readDevice(l); dev != nil {
			e.Devices[a.Name] = dev
		}
	}
	routes, err := s.route.RouteListFiltered(unix.AF_INET, &netlink.Route{Protocol: routeProtocol}, netlink.RT_FILTER_PROTOCOL)
	if err != nil {
		return nil, fmt.Errorf("reading the routes of the encryption: %w", err)
	}
	for _, r := range routes {
		if dst := prefixOf(r.Dst); names[r.LinkIndex] != "" && dst.IsSingleIP() {
			e.Routes[dst.Addr()] = names[r.LinkIndex]
		}
	}
	return e, nil
}

// gated is which gates the rules are for; empty if one is missing or of another making.
func gated(comments map[string][]string) string {
	list := comments[chainGates]
	if len(list) == 0 {
		return ""
	}
	first := list[0]
	for _, c := range append(list, comments[chainLocal]...) {
		if c != first {
			return ""
		}
	}
	networks, pings, vxlan, local := 0, false, false, 1
	if _, err := fmt.Sscanf(first, "skep 2 networks %d mesh %t %t", &networks, &pings, &vxlan); err != nil {
		return ""
	}
	for _, is := range []bool{pings, vxlan} {
		if is {
			local++
		}
	}
	if len(list) != 1+2*networks || len(comments[chainLocal]) != local {
		return ""
	}
	return first
}
