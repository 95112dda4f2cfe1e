package kernel

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// readSegment reads one network's part on this node; nil: there is nothing of it.
func (k *Kernel) readSegment(id model.ID, ingress bool) (*network.Segment, error) {
	seg := &network.Segment{
		Network: id, Ingress: ingress, Namespace: true, Ports: map[string]network.LocalPort{},
		FDB: map[network.LinkAddr]netip.Addr{}, Neighbours: map[netip.Addr]network.LinkAddr{},
	}
	s := k.host
	if !ingress {
		var err error
		if s, err = k.space(id); err != nil || s == nil {
			return nil, err
		}
		silent, err := s.isSilent()
		if err != nil {
			return nil, fmt.Errorf("reading the rules of network %s: %w", id, err)
		}
		seg.Namespace = silent && IsNamespace(k.path(id))
	}
	links, err := s.route.LinkList()
	if err != nil {
		return nil, fmt.Errorf("reading the interfaces of network %s: %w", id, err)
	}
	if err := s.readLinks(seg, links); err != nil {
		return nil, fmt.Errorf("reading network %s: %w", id, err)
	}
	return seg, nil
}

func (s *space) readLinks(seg *network.Segment, links []netlink.Link) error {
	bridge, vxlan, ports, uplink := 0, 0, map[int]string{}, netlink.Link(nil)
	for _, l := range links {
		a := l.Attrs()
		switch {
		case a.Flags&unix.IFF_UP == 0: // it is to be set up anew
		case a.Name == network.BridgeLink && !seg.Ingress:
			addr, err := s.onlyAddr(l)
			if err != nil {
				return err
			}
			bridge, seg.Bridge = a.Index, network.Bridge{Addr: addr, MTU: a.MTU}
		case a.Name == vxlanName(seg):
			vxlan = a.Index
		case a.Name == network.UplinkLink && !seg.Ingress:
			uplink = l
		case l.Type() == "veth" && strings.HasPrefix(a.Name, network.LinkPrefix):
			ports[a.Index] = a.Name
		}
	}
	if vxlan != 0 {
		i := slices.IndexFunc(links, func(l netlink.Link) bool { return l.Attrs().Index == vxlan })
		if err := s.readVXLAN(seg, links[i], bridge); err != nil {
			return err
		}
	}
	if err := s.readFDB(seg, vxlan, bridge, ports); err != nil {
		return err
	}
	if uplink != nil {
		if err := s.readUplink(seg, uplink, bridge); err != nil {
			return err
		}
	}
	return s.readNeighbours(seg, vxlan, ports)
}

// onlyAddr is the interface's one address; invalid if it has none or several.
func (s *space) onlyAddr(l netlink.Link) (netip.Prefix, error) {
	addrs, err := s.route.AddrList(l, unix.AF_INET)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("reading the addresses of %s: %w", l.Attrs().Name, err)
	}
	if len(addrs) != 1 {
		return netip.Prefix{}, nil
	}
	return prefixOf(addrs[0].IPNet), nil
}

// readVXLAN reads the interface to other nodes. What is wrong with it beside its own fields shows as a wrong MTU.
func (s *space) readVXLAN(seg *network.Segment, l netlink.Link, bridge int) error {
	is, ok := l.(*netlink.Vxlan)
	if !ok || is.Learning || !is.Proxy {
		return nil
	}
	v := network.VXLAN{VNI: uint32(is.VxlanId), Port: uint16(is.Port), MTU: is.MTU}
	v.Local = addrFrom(is.SrcAddr)
	if !seg.Ingress {
		if bridge == 0 || is.MasterIndex != bridge {
			v.MTU = 0
		}
		seg.VXLAN = v
		return nil
	}
	var err error
	if v.Addr, err = s.onlyAddr(l); err != nil {
		return err
	}
	v.Covert = v.Local.IsValid() && v.Local == v.Addr.Addr() // elsewhere it is one that others reach
	if ok, err := s.asSet(ingressSysctls(is.Name)); err != nil || !ok || v.Addr.IsValid() && remake(is, v) {
		v.MTU = 0
	}
	seg.VXLAN = v
	return nil
}

// asSet says whether settings are as given.
func (s *space) asSet(list [][2]string) (bool, error) {
	names := make([]string, len(list))
	for i, kv := range list {
		names[i] = kv[0]
	}
	is, err := s.sysctls(names)
	if err != nil {
		return false, err
	}
	for _, kv := range list {
		if v := is[kv[0]]; v != "" && v != kv[1] {
			return false, nil
		}
	}
	return true, nil
}

// readFDB reads where frames are sent: to other nodes, and to the ports of the bridge.
func (s *space) readFDB(seg *network.Segment, vxlan, bridge int, ports map[int]string) error {
	entries, err := s.route.NeighListExecute(netlink.Ndmsg{Family: unix.AF_BRIDGE})
	if err != nil {
		return fmt.Errorf("reading the forwarding entries: %w", err)
	}
	for _, e := range entries {
		if len(e.HardwareAddr) != 6 {
			continue
		}
		mac := network.LinkAddr(e.HardwareAddr)
		switch {
		case e.LinkIndex == vxlan && e.Flags&netlink.NTF_SELF != 0 && e.IP != nil:
			seg.FDB[mac] = addrFrom(e.IP)
		case !seg.Ingress && ports[e.LinkIndex] != "" && e.MasterIndex == bridge && e.State&netlink.NUD_NOARP != 0:
			seg.Ports[ports[e.LinkIndex]] = network.LocalPort{Addr: addrOf(mac)}
		}
	}
	return nil
}

// addrOf is the address that a link address was made from.
func addrOf(mac network.LinkAddr) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte(mac[2:])), 32)
}

// readNeighbours reads whose link address is known for good.
func (s *space) readNeighbours(seg *network.Segment, vxlan int, ports map[int]string) error {
	list, err := s.route.NeighList(0, unix.AF_INET)
	if err != nil {
		return fmt.Errorf("reading the neighbours: %w", err)
	}
	for _, n := range list {
		addr, ok := netip.AddrFromSlice(n.IP.To4())
		if !ok || n.State&netlink.NUD_PERMANENT == 0 || len(n.HardwareAddr) != 6 {
			continue
		}
		mac, name := network.LinkAddr(n.HardwareAddr), ports[n.LinkIndex]
		switch {
		case n.LinkIndex == vxlan:
			seg.Neighbours[addr] = mac
		case seg.Ingress && name != "" && mac == network.LinkAddrOf(addr):
			p := network.LocalPort{Addr: netip.PrefixFrom(addr, 32)}
			if ok, err := s.asSet(ingressSysctls(name)); err == nil && ok {
				if p.Gateway, err = s.gatewayAt(n.LinkIndex); err != nil {
					return err
				}
			}
			seg.Ports[name] = p
		}
	}
	return nil
}

// gatewayAt is the node's own address on the host's end of a container's link.
func (s *space) gatewayAt(link int) (netip.Addr, error) {
	l, err := s.route.LinkByIndex(link)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("reading an interface: %w", err)
	}
	p, err := s.onlyAddr(l)
	return p.Addr(), err
}

// namespaces are the networks that have a namespace bound in the directory.
func (k *Kernel) namespaces() ([]model.ID, error) {
	files, err := os.ReadDir(k.dir)
	if err != nil {
		return nil, fmt.Errorf("reading the directory of network namespaces: %w", err)
	}
	var ids []model.ID
	for _, f := range files {
		if id, err := model.ParseID(f.Name()); err == nil && !id.IsZero() {
			ids = append(ids, id)
		}
	}
	return ids, nil
}
