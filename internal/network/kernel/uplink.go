package kernel

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/skep-org/skep/internal/network"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// strayRoute begins the name of a container's link that is none: of a way to a container that is not connected any more.
const strayRoute = "way to "

// makeUplink connects an encrypted network's namespace with the one of the encryption, by a pair of interfaces that bear the
// same link address and ask for none: a pipe for packets.
func (k *Kernel) makeUplink(s *space, seg *network.Segment) error {
	c, err := k.space(cipherID())
	if err != nil || c == nil {
		return errors.Join(err, errors.New("there is no namespace of the encryption"))
	}
	up, err := s.link(network.UplinkLink)
	if err != nil {
		return err
	}
	gate, err := c.link(network.GateName(seg.Network))
	if err != nil {
		return err
	}
	if up == nil || gate == nil {
		if up, gate, err = newUplink(s, c, seg); err != nil {
			return err
		}
	}
	if err := s.setSysctls(uplinkSysctls()); err != nil {
		return err
	}
	for l, at := range map[netlink.Link]*space{up: s, gate: c} {
		if err := at.pipe(l, seg.Uplink); err != nil {
			return fmt.Errorf("setting up %s: %w", l.Attrs().Name, err)
		}
	}
	return nil
}

func newUplink(s, c *space, seg *network.Segment) (up, gate netlink.Link, err error) {
	name := network.GateName(seg.Network)
	if err := errors.Join(s.removeLinks(network.UplinkLink), c.removeLinks(name)); err != nil {
		return nil, nil, err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU, attrs.HardwareAddr = network.UplinkLink, seg.Uplink.MTU, network.MAC(seg.Uplink.Subnet.Addr())
	pair := netlink.NewVeth(attrs)
	pair.PeerName, pair.PeerMTU, pair.PeerNamespace = name, uint32(seg.Uplink.MTU), netlink.NsFd(int(c.ns))
	pair.PeerHardwareAddr = attrs.HardwareAddr
	if err := s.route.LinkAdd(pair); err != nil {
		return nil, nil, fmt.Errorf("making a pair of interfaces: %w", err)
	}
	if up, err = s.link(network.UplinkLink); err == nil {
		gate, err = c.link(name)
	}
	if err != nil || up == nil || gate == nil {
		return nil, nil, errors.Join(err, errors.New("the interfaces just made are not there"))
	}
	return up, gate, nil
}

// pipe has one end of an uplink up, and the network's addresses found behind it that are not found nearer.
func (s *space) pipe(l netlink.Link, u network.Uplink) error {
	if l.Attrs().MTU != u.MTU {
		if err := s.route.LinkSetMTU(l, u.MTU); err != nil {
			return err
		}
	}
	if err := errors.Join(s.route.LinkSetARPOff(l), s.route.LinkSetUp(l)); err != nil {
		return err
	}
	return s.route.RouteReplace(&netlink.Route{LinkIndex: l.Attrs().Index, Dst: ipNet(u.Subnet), Scope: netlink.SCOPE_LINK, Protocol: routeProtocol})
}

// uplinkSysctls are the settings of an encrypted network's namespace: it forwards, answers for all addresses of the network
// with the bridge's link address, at once, and takes from a container only what bears its own address. So a container that
// another takes the place of on another node is found by who has spoken to it a moment ago.
func uplinkSysctls() [][2]string {
	bridge, uplink := "net/ipv4/conf/"+network.BridgeLink+"/", "net/ipv4/conf/"+network.UplinkLink+"/"
	return [][2]string{
		{"net/ipv4/ip_forward", "1"},
		{"net/ipv4/conf/all/send_redirects", "0"}, {bridge + "send_redirects", "0"},
		{"net/ipv4/conf/all/rp_filter", "0"}, {uplink + "rp_filter", "0"}, {bridge + "rp_filter", "1"},
		{bridge + "proxy_arp", "1"}, {bridge + "proxy_arp_pvlan", "1"},
		{"net/ipv4/neigh/" + network.BridgeLink + "/proxy_delay", "0"},
	}
}

// readUplink reads the interface to the encryption, and the ways to the containers here. What is wrong with it beside its own
// fields shows as a wrong MTU.
func (s *space) readUplink(seg *network.Segment, up netlink.Link, bridge int) error {
	list, err := s.route.RouteListFiltered(unix.AF_INET, &netlink.Route{Protocol: routeProtocol}, netlink.RT_FILTER_PROTOCOL)
	if err != nil {
		return fmt.Errorf("reading the routes: %w", err)
	}
	seg.Encrypted, seg.Uplink.MTU = true, up.Attrs().MTU
	if ok, err := s.asSet(uplinkSysctls()); err != nil || !ok || up.Attrs().OperState == netlink.OperDown {
		seg.Uplink.MTU = 0
	}
	here := map[netip.Addr]bool{}
	for _, r := range list {
		switch dst := prefixOf(r.Dst); {
		case r.LinkIndex == up.Attrs().Index:
			seg.Uplink.Subnet = dst
		case r.LinkIndex == bridge && dst.IsSingleIP():
			here[dst.Addr()] = true
		}
	}
	for name, p := range seg.Ports {
		p.Routed = here[p.Addr.Addr()]
		seg.Ports[name] = p
		delete(here, p.Addr.Addr())
	}
	for a := range here {
		seg.Ports[strayRoute+a.String()] = network.LocalPort{Addr: netip.PrefixFrom(a, a.BitLen()), Routed: true}
	}
	return nil
}
