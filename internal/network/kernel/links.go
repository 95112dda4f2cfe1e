package kernel

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// bridgeOf is the bridge that a network has on every node.
func bridgeOf(n *network.Network, mtu int) network.Bridge {
	return network.Bridge{Addr: n.BridgeAddr(), MTU: mtu}
}

// link is an interface by name; nil: there is none.
func (s *space) link(name string) (netlink.Link, error) {
	l, err := s.route.LinkByName(name)
	if _, none := errors.AsType[netlink.LinkNotFoundError](err); none {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking for interface %s: %w", name, err)
	}
	return l, nil
}

// removeLinks removes interfaces. One that is not there is as good.
func (s *space) removeLinks(names ...string) error {
	for _, name := range names {
		l, err := s.link(name)
		if err != nil {
			return err
		}
		if l == nil {
			continue
		}
		if err := s.route.LinkDel(l); err != nil && !errors.Is(err, unix.ENODEV) {
			return fmt.Errorf("removing interface %s: %w", name, err)
		}
	}
	return nil
}

// makeBridge makes the bridge of a network, or makes the one there as it is to be.
func (s *space) makeBridge(b network.Bridge) error {
	l, err := s.link(network.BridgeLink)
	if err != nil {
		return err
	}
	if l == nil {
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.MTU = network.BridgeLink, b.MTU-1 // changed below: one that never was follows what is connected
		if b.Addr.IsValid() {
			attrs.HardwareAddr = network.MAC(b.Addr.Addr()) // the same on every node: containers may keep it
		}
		off := false
		if err := s.route.LinkAdd(&netlink.Bridge{LinkAttrs: attrs, MulticastSnooping: &off}); err != nil {
			return fmt.Errorf("making the bridge: %w", err)
		}
		if l, err = s.link(network.BridgeLink); err != nil || l == nil {
			return errors.Join(err, errors.New("the bridge just made is not there"))
		}
	}
	if l.Attrs().MTU != b.MTU {
		if err := s.route.LinkSetMTU(l, b.MTU); err != nil {
			return fmt.Errorf("setting the bridge's MTU to %d: %w", b.MTU, err)
		}
	}
	if err := s.setAddrs(l, b.Addr); err != nil {
		return err
	}
	if lo, err := s.link("lo"); err == nil && lo != nil {
		_ = s.route.LinkSetUp(lo)
	}
	if err := s.route.LinkSetUp(l); err != nil {
		return fmt.Errorf("bringing the bridge up: %w", err)
	}
	return nil
}

// setAddrs makes an address the only one of an interface; an invalid one: none.
func (s *space) setAddrs(l netlink.Link, want netip.Prefix) error {
	addrs, err := s.route.AddrList(l, unix.AF_INET)
	if err != nil {
		return fmt.Errorf("reading the addresses of %s: %w", l.Attrs().Name, err)
	}
	found := !want.IsValid()
	for _, a := range addrs {
		if prefixOf(a.IPNet) == want {
			found = true
			continue
		}
		if err := s.route.AddrDel(l, &a); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
			return fmt.Errorf("removing address %s of %s: %w", a.IPNet, l.Attrs().Name, err)
		}
	}
	if found {
		return nil
	}
	if err := s.route.AddrReplace(l, &netlink.Addr{IPNet: ipNet(want)}); err != nil {
		return fmt.Errorf("giving %s the address %s: %w", l.Attrs().Name, want, err)
	}
	return nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

func prefixOf(n *net.IPNet) netip.Prefix {
	if n == nil {
		return netip.Prefix{}
	}
	a, ok := netip.AddrFromSlice(n.IP)
	ones, bits := n.Mask.Size()
	if !ok || bits == 0 {
		return netip.Prefix{}
	}
	return netip.PrefixFrom(a.Unmap(), ones)
}

// makeVXLAN makes the interface of a network that leads to other nodes. It is made in the host's namespace, where its
// socket stays, and moved to the network's own. What is covert is made in the namespace of the encryption.
func (k *Kernel) makeVXLAN(s *space, seg *network.Segment) error {
	v, name := seg.VXLAN, vxlanName(seg)
	l, err := s.link(name)
	if err != nil {
		return err
	}
	if is, ok := l.(*netlink.Vxlan); l != nil && (!ok || remake(is, v)) {
		if err := s.removeLinks(name); err != nil {
			return err
		}
		l = nil
	}
	if l == nil {
		if l, err = k.newVXLAN(s, seg.Network, name, v); err != nil {
			return fmt.Errorf("making the interface to other nodes: %w", err)
		}
	}
	if l.Attrs().MTU != v.MTU {
		if err := s.route.LinkSetMTU(l, v.MTU); err != nil {
			return fmt.Errorf("setting the MTU of %s to %d: %w", name, v.MTU, err)
		}
	}
	if !seg.Ingress {
		return s.bridgePort(l, true)
	}
	if err := s.setAddrs(l, v.Addr); err != nil {
		return err
	}
	if err := s.route.LinkSetUp(l); err != nil {
		return fmt.Errorf("bringing %s up: %w", name, err)
	}
	return s.setSysctls(ingressSysctls(name))
}

func vxlanName(seg *network.Segment) string {
	if seg.Ingress {
		return network.IngressLink
	}
	return network.VXLANLink
}

// remake says whether an interface differs in what cannot be changed.
func remake(is *netlink.Vxlan, v network.VXLAN) bool {
	local := addrFrom(is.SrcAddr)
	return uint32(is.VxlanId) != v.VNI || uint16(is.Port) != v.Port || local != v.Local || is.Learning || !is.Proxy ||
		v.Addr.IsValid() && !bytes.Equal(is.HardwareAddr, network.MAC(v.Addr.Addr()))
}

// removePassing takes away the VXLANs that a process left on their way to a namespace when it was ended there. Their
// numbers may be other networks' by now.
func (k *Kernel) removePassing() error {
	links, err := k.host.route.LinkList()
	if err != nil {
		return fmt.Errorf("looking for what a process left that was ended: %w", err)
	}
	for _, l := range links {
		if l.Type() == "vxlan" && l.Attrs().Name != network.IngressLink && ours(l) {
			err = errors.Join(err, k.host.removeLinks(l.Attrs().Name))
		}
	}
	return err
}

func (k *Kernel) newVXLAN(s *space, id model.ID, name string, v network.VXLAN) (netlink.Link, error) {
	passing, from := network.PassingName(id), k.host
	if v.Covert {
		var err error
		if from, err = k.space(cipherID()); err != nil || from == nil {
			return nil, errors.Join(err, errors.New("there is no namespace of the encryption"))
		}
	}
	if err := from.removeLinks(passing); err != nil { // left by a step that failed
		return nil, err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = passing, v.MTU
	if v.Addr.IsValid() {
		attrs.HardwareAddr = network.MAC(v.Addr.Addr())
	}
	made := &netlink.Vxlan{LinkAttrs: attrs, VxlanId: int(v.VNI), Port: int(v.Port), Proxy: true}
	if v.Local.IsValid() {
		made.SrcAddr = v.Local.AsSlice()
	}
	if err := from.route.LinkAdd(made); err != nil {
		return nil, fmt.Errorf("a VXLAN with number %d on port %d: %w", v.VNI, v.Port, err)
	}
	l, err := from.link(passing)
	if err != nil || l == nil {
		return nil, errors.Join(err, errors.New("the VXLAN just made is not there"))
	}
	if s != from {
		if err := from.route.LinkSetNsFd(l, int(s.ns)); err != nil {
			return nil, fmt.Errorf("moving the VXLAN to its namespace: %w", err)
		}
		if l, err = s.link(passing); err != nil || l == nil {
			return nil, errors.Join(err, errors.New("the VXLAN just moved is not there"))
		}
	}
	if err := s.route.LinkSetName(l, name); err != nil {
		return nil, fmt.Errorf("naming the VXLAN: %w", err)
	}
	return l, nil
}

// bridgePort connects an interface to the bridge. Addresses are not learned: every one is known. Only the way to other
// nodes gets what is for nobody known here.
func (s *space) bridgePort(l netlink.Link, uplink bool) error {
	bridge, err := s.link(network.BridgeLink)
	if err != nil || bridge == nil {
		return errors.Join(err, errors.New("there is no bridge to connect to"))
	}
	name := l.Attrs().Name
	if l.Attrs().MasterIndex != bridge.Attrs().Index {
		if err := s.route.LinkSetMaster(l, bridge); err != nil {
			return fmt.Errorf("connecting %s to the bridge: %w", name, err)
		}
	}
	if err := s.route.LinkSetUp(l); err != nil {
		return fmt.Errorf("bringing %s up: %w", name, err)
	}
	if err := s.route.LinkSetLearning(l, false); err != nil {
		return fmt.Errorf("turning learning off on %s: %w", name, err)
	}
	if err := s.route.LinkSetFlood(l, uplink); err != nil {
		return fmt.Errorf("turning flooding off on %s: %w", name, err)
	}
	return nil
}
