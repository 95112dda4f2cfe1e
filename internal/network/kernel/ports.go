package kernel

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/skep-org/skep/internal/network"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// makeLink makes a container's link and leaves the container's end in the host's namespace, for the engine. One whose
// other end is elsewhere belongs to an earlier run of the container.
func (k *Kernel) makeLink(s *space, name string, p network.LocalPort, mtu int) error {
	peer := network.PeerName(name)
	waiting, err := k.host.link(peer)
	if err != nil {
		return err
	}
	l, err := s.link(name)
	if err != nil {
		return err
	}
	if waiting == nil || l == nil {
		if err := errors.Join(k.host.removeLinks(peer), s.removeLinks(name)); err != nil {
			return err
		}
		if err := k.newVeth(k.host, s, peer, name, p.Addr.Addr(), mtu); err != nil {
			return err
		}
		k.changed++
	}
	return k.setPort(s, name, p)
}

// newVeth makes a pair: inner in one namespace, outer in the other.
func (k *Kernel) newVeth(in, out *space, inner, outer string, addr netip.Addr, mtu int) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU, attrs.HardwareAddr = inner, mtu, network.MAC(addr)
	pair := netlink.NewVeth(attrs)
	pair.PeerName, pair.PeerMTU, pair.PeerNamespace = outer, uint32(mtu), netlink.NsFd(int(out.ns))
	if err := in.route.LinkAdd(pair); err != nil {
		return fmt.Errorf("making a pair of interfaces for %s: %w", addr, err)
	}
	return nil
}

// setPort makes the network's end of a container's link as it is to be.
func (k *Kernel) setPort(s *space, name string, p network.LocalPort) error {
	l, err := s.link(name)
	if err != nil || l == nil {
		return errors.Join(err, fmt.Errorf("interface %s: %w", name, unix.ENODEV))
	}
	if s == k.host {
		return k.setIngressPort(l, p)
	}
	if err := s.bridgePort(l, false); err != nil {
		return err
	}
	err = s.route.NeighSet(&netlink.Neigh{ // "permanent" would mean the bridge's own
		LinkIndex: l.Attrs().Index, Family: unix.AF_BRIDGE, State: netlink.NUD_NOARP, Flags: netlink.NTF_MASTER,
		HardwareAddr: network.MAC(p.Addr.Addr()),
	})
	if err != nil {
		return fmt.Errorf("telling the bridge where %s is: %w", p.Addr, err)
	}
	if !p.Routed {
		return nil
	}
	if err := s.route.LinkSetIsolated(l, true); err != nil {
		return fmt.Errorf("having all that %s sends go by the bridge's address: %w", p.Addr, err)
	}
	return s.leadLocal(p.Addr.Addr(), true)
}

// leadLocal has an encrypted network's namespace find a container's address on the bridge, or not any more.
func (s *space) leadLocal(a netip.Addr, there bool) error {
	l, err := s.link(network.BridgeLink)
	if err != nil || l == nil || !a.IsValid() {
		return err
	}
	r := &netlink.Route{LinkIndex: l.Attrs().Index, Dst: ipNet(netip.PrefixFrom(a, a.BitLen())), Scope: netlink.SCOPE_LINK, Protocol: routeProtocol}
	if there {
		err = s.route.RouteReplace(r)
	} else if err = s.route.RouteDel(r); errors.Is(err, unix.ESRCH) {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("the way to %s: %w", a, err)
	}
	return nil
}

// setIngressPort makes the host's end of a container's link to the ingress network as it is to be. It has the node's own
// address, and no bridge: between containers nothing is forwarded but what the routing mesh sends there.
func (k *Kernel) setIngressPort(l netlink.Link, p network.LocalPort) error {
	name := l.Attrs().Name
	if p.Gateway.IsValid() {
		if err := k.host.setAddrs(l, netip.PrefixFrom(p.Gateway, 32)); err != nil {
			return err
		}
	}
	if err := k.host.route.LinkSetUp(l); err != nil {
		return fmt.Errorf("bringing %s up: %w", name, err)
	}
	err := k.host.route.NeighSet(&netlink.Neigh{
		LinkIndex: l.Attrs().Index, Family: unix.AF_INET, State: netlink.NUD_PERMANENT,
		IP: p.Addr.Addr().AsSlice(), HardwareAddr: network.MAC(p.Addr.Addr()),
	})
	if err != nil {
		return fmt.Errorf("telling the host who has %s: %w", p.Addr, err)
	}
	way := network.Op{Kind: network.KindRoute, Prefix: netip.PrefixFrom(p.Addr.Addr(), 32), Route: network.Route{Dev: name}}
	if err := k.routeOp(way); err != nil {
		return fmt.Errorf("leading %s to its container: %w", p.Addr, err)
	}
	return k.host.setSysctls(ingressSysctls(name))
}

// ingressSysctls are the settings of the host's interfaces of the ingress network: a container cannot send from another's
// address and finds the whole subnet behind its host, answers come from other nodes by the way the connection came, and
// localhost may enter the mesh.
func ingressSysctls(name string) [][2]string {
	conf := "net/ipv4/conf/" + name + "/"
	list := [][2]string{
		{conf + "route_localnet", "1"}, {conf + "send_redirects", "0"}, {conf + "forwarding", "1"},
		{conf + "accept_redirects", "0"}, {"net/ipv6/conf/" + name + "/disable_ipv6", "1"},
	}
	if name == network.IngressLink {
		return append(list, [2]string{conf + "rp_filter", "2"})
	}
	return append(list, [][2]string{
		{conf + "rp_filter", "1"}, {conf + "proxy_arp", "1"}, {"net/ipv4/neigh/" + name + "/proxy_delay", "0"},
	}...)
}

// ingressOwn is this node's address on the ingress network, as far as it is known.
func (k *Kernel) ingressOwn() netip.Addr {
	if k.have == nil || k.have.Host == nil || k.have.Host.Ingress == nil {
		return netip.Addr{}
	}
	return k.have.Host.Ingress.Own
}

// mendPort gives a running container back the link it lost: both ends at once, with address and default route. One that
// has no namespace yet gets its own from the engine.
func (k *Kernel) mendPort(s *space, name string, p network.LocalPort, mtu int) error {
	box, err := openSpace(p.Box)
	if errors.Is(err, ErrNotYet) {
		return nil
	}
	if err != nil {
		return err
	}
	defer box.close()
	inner, err := box.freeName()
	if err != nil {
		return err
	}
	if err := k.newVeth(box, s, inner, name, p.Addr.Addr(), mtu); err != nil {
		return err
	}
	l, err := box.link(inner)
	if err != nil || l == nil {
		return errors.Join(err, errors.New("the interface just made is not there"))
	}
	if err := box.setAddrs(l, p.Addr); err != nil {
		return err
	}
	if err := box.route.LinkSetUp(l); err != nil {
		return fmt.Errorf("bringing a container's %s up: %w", inner, err)
	}
	if err := k.setPort(s, name, p); err != nil {
		return err
	}
	if !p.Gateway.IsValid() {
		return nil
	}
	err = box.route.RouteReplace(&netlink.Route{LinkIndex: l.Attrs().Index, Gw: p.Gateway.AsSlice()})
	if err != nil {
		return fmt.Errorf("giving a container its default route: %w", err)
	}
	return nil
}

// freeName is the first name of the kind the engine gives that no interface has.
func (s *space) freeName() (string, error) {
	for i := range 1000 {
		name := fmt.Sprintf("eth%d", i)
		if l, err := s.link(name); err != nil || l == nil {
			return name, err
		}
	}
	return "", errors.New("a container has a thousand interfaces")
}
