package kernel

import (
	"errors"
	"fmt"
	"strings"

	"github.com/skep-org/skep/internal/network"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// segmentOps does operations on one network's segment.
func (k *Kernel) segmentOps(ops []network.Op) error {
	id := ops[0].Network
	s := k.host
	if !ops[0].Ingress {
		var err error
		if s, err = k.space(id); err != nil {
			return err
		}
	}
	links := map[string]int{}
	failed := &tally{boxes: map[string]error{}}
	for _, op := range ops {
		err := k.segmentOp(&s, links, op)
		if of, apart := errors.AsType[*BoxError](err); apart {
			failed.boxes[of.Boxes[0]] = fmt.Errorf("%s: %w", op, of.Err)
		} else if err != nil {
			return fmt.Errorf("%s: %w", op, err)
		}
	}
	if boxes := failed.boxError(); boxes != nil {
		return boxes
	}
	return nil
}

func (k *Kernel) segmentOp(s **space, links map[string]int, op network.Op) (err error) {
	switch op.Kind {
	case network.KindNamespace:
		if op.Act == network.Remove {
			return k.dropSpace(op.Network)
		}
		if *s, err = k.makeSpace(op.Network); err != nil {
			return err
		}
		if is, err := (*s).isSilent(); is || err != nil {
			return err
		}
		return (*s).keepSilent() // an earlier daemon made it, or somebody took its rules away
	case network.KindBridge:
		return (*s).makeBridge(op.Segment.Bridge)
	case network.KindVXLAN:
		clear(links)
		if op.Act == network.Remove {
			return (*s).removeLinks(vxlanName(op.Segment))
		}
		if op.Act == network.Add && op.Segment.VXLAN.Covert { // of a namespace of the encryption that is gone
			if err := (*s).removeLinks(vxlanName(op.Segment)); err != nil {
				return err
			}
		}
		return k.makeVXLAN(*s, op.Segment)
	case network.KindUplink:
		clear(links)
		if op.Act == network.Remove {
			return (*s).removeLinks(network.UplinkLink)
		}
		return k.makeUplink(*s, op.Segment)
	case network.KindPort:
		return k.portOp(*s, op)
	case network.KindFDB, network.KindNeighbour:
		return (*s).entry(links, op)
	}
	return fmt.Errorf("%s is nothing a network has", op.Kind)
}

// portOp sets up a container's link, or gives back one that is missing. One that nobody wants any more goes only if no
// container holds its other end.
func (k *Kernel) portOp(s *space, op network.Op) error {
	if op.Act == network.Remove {
		if strings.HasPrefix(op.Name, strayRoute) {
			return s.leadLocal(op.Local.Addr.Addr(), false)
		}
		if _, ok := k.attached[op.Name]; ok {
			return nil
		}
		waiting, err := k.host.link(network.PeerName(op.Name))
		if err != nil || waiting == nil {
			return err
		}
		return s.removeLinks(op.Name)
	}
	l, err := s.link(op.Name)
	if err != nil {
		return err
	}
	if l == nil {
		if err := k.mendPort(s, op.Name, op.Local, op.Segment.VXLAN.MTU); err != nil {
			return &BoxError{Boxes: []string{op.Local.Box}, Err: errors.Join(err, s.removeLinks(op.Name))}
		}
		return nil
	}
	return k.setPort(s, op.Name, op.Local)
}

// entry sets or removes what is known of a remote address.
func (s *space) entry(links map[string]int, op network.Op) error {
	name := network.VXLANLink
	if op.Ingress {
		name = network.IngressLink
	}
	if links[name] == 0 {
		l, err := s.link(name)
		if err != nil || l == nil {
			return errors.Join(err, fmt.Errorf("interface %s is missing", name))
		}
		links[name] = l.Attrs().Index
	}
	n := &netlink.Neigh{LinkIndex: links[name], State: netlink.NUD_PERMANENT, HardwareAddr: op.MAC.Hardware(), IP: op.Addr.AsSlice()}
	if n.Family = unix.AF_INET; op.Kind == network.KindFDB {
		n.Family, n.Flags = unix.AF_BRIDGE, netlink.NTF_SELF
	}
	if op.Act != network.Remove {
		return s.route.NeighSet(n)
	}
	err := s.route.NeighDel(n)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}
