package kernel

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/google/nftables"
	"github.com/skep-org/skep/internal/network"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// hostOps does operations in the host's own namespace. Those on its table of rules are collected and take effect at once.
func (k *Kernel) hostOps(ops []network.Op) error {
	r, err := k.host.openRules()
	if err != nil {
		return err
	}
	var errs []error
	for _, op := range ops {
		if ruled := k.hostRule(r, op); ruled {
			continue
		}
		if err := k.hostOp(op); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", op, err))
		}
	}
	if err := r.commit(); err != nil {
		errs = append(errs, fmt.Errorf("the host's table of rules: %w", err))
	}
	if err := k.sixthOps(ops); err != nil {
		errs = append(errs, err)
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	for _, op := range ops {
		if op.Kind == network.KindTable && op.Host.Ingress != nil {
			return r.apart(frameOf(op.Host).String())
		}
	}
	return nil
}

// hostRule does an operation on the table of rules, if it is one.
func (k *Kernel) hostRule(r *ruleConn, op network.Op) bool {
	change := r.put
	if op.Act == network.Remove {
		change = r.take
	}
	switch op.Kind {
	case network.KindTable:
		r.hostBase(frameOf(op.Host))
	case network.KindMember:
		if op.Addr.Is6() {
			break
		}
		change(members(), nftables.SetElement{Key: op.Addr.AsSlice()})
	case network.KindClient:
		if op.Addr.Is6() {
			break
		}
		change(clients(), nftables.SetElement{Key: op.Addr.AsSlice()})
	case network.KindMark:
		if op.Act == network.Change {
			r.take(marks(), nftables.SetElement{Key: op.MAC.Hardware()})
		}
		change(marks(), nftables.SetElement{Key: op.MAC.Hardware(), Val: native(op.Mark)})
	case network.KindPublished:
		r.publish(op)
	default:
		return false
	}
	return true
}

// hostOp does an operation of another kind.
func (k *Kernel) hostOp(op network.Op) error {
	switch op.Kind {
	case network.KindSysctl:
		return k.setGlobal(op.Name, op.Value)
	case network.KindAccept:
		return k.setAccepted(op.Act != network.Remove)
	case network.KindRoute, network.KindReturn:
		return k.routeOp(op)
	case network.KindRule:
		return k.ruleOp(op)
	}
	return fmt.Errorf("%s is nothing the host has", op.Kind)
}

func (k *Kernel) routeOp(op network.Op) error {
	r := &netlink.Route{Protocol: routeProtocol, Table: unix.RT_TABLE_MAIN}
	to := op.Route
	if op.Kind == network.KindReturn {
		r.Table, to = int(op.Mark), network.Route{Via: op.Addr, Dev: network.IngressLink}
		r.Dst = ipNet(netip.PrefixFrom(netip.IPv4Unspecified(), 0))
	} else {
		r.Dst = ipNet(op.Prefix)
	}
	if op.Act == network.Remove {
		if to.Dev == "" {
			r.Type = unix.RTN_UNREACHABLE
		}
		if err := k.host.route.RouteDel(r); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
		return nil
	}
	if to.Dev == "" {
		r.Type = unix.RTN_UNREACHABLE
		return k.host.route.RouteReplace(r)
	}
	l, err := k.host.link(to.Dev)
	if err != nil {
		return err
	}
	if l == nil {
		if to.Via.IsValid() || to.Dev == network.IngressLink {
			return fmt.Errorf("interface %s is missing", to.Dev)
		}
		return nil // of a container that has no namespace yet, or none any more
	}
	r.LinkIndex = l.Attrs().Index
	if to.Via.IsValid() {
		r.Gw, r.Flags = to.Via.AsSlice(), int(netlink.FLAG_ONLINK)
	} else {
		r.Scope = netlink.SCOPE_LINK
	}
	return k.host.route.RouteReplace(r)
}

func (k *Kernel) ruleOp(op network.Op) error {
	r := netlink.NewRule()
	r.Family, r.Priority, r.Src = unix.AF_INET, int(op.Rule.Priority), ipNet(op.Rule.From)
	r.Mark, r.Mask = op.Rule.Mark, &op.Rule.Mask
	if op.Rule.Table != 0 {
		r.Table = int(op.Rule.Table)
	} else {
		r.Goto = int(op.Rule.Goto)
	}
	if op.Act == network.Remove {
		if err := k.host.route.RuleDel(r); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
		return nil
	}
	if err := k.host.route.RuleAdd(r); err != nil && !errors.Is(err, unix.EEXIST) {
		return err
	}
	return nil
}
