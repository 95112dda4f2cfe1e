package kernel

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/skep-org/skep/internal/network"
	"golang.org/x/sys/unix"
)

// sixthTable is the host's table for what carries overlays where nodes reach each other by IPv6. It is there only then: a host
// without IPv6 has no such tables.
const sixthTable = "skep-nodes"

// sixthFrame is the comment of its rules.
func sixthFrame(port uint16) string { return fmt.Sprintf("skep 1 port %d", port) }

func (s *space) openSixth() (*ruleConn, error) {
	return s.openTable(&s.sixth, &nftables.Table{Name: sixthTable, Family: nftables.TableFamilyIPv6})
}

// members6 are the nodes that overlay packets are taken from.
func members6() *nftables.Set { return &nftables.Set{Name: "members", KeyType: nftables.TypeIP6Addr} }

func source6() []expr.Any      { return header(expr.PayloadBaseNetworkHeader, 8, 16) }
func destination6() []expr.Any { return header(expr.PayloadBaseNetworkHeader, 24, 16) }

// sixthOps does what there is to do in that table: it is made anew with the other one, and has members of its own.
func (k *Kernel) sixthOps(ops []network.Op) error {
	var r *ruleConn
	for _, op := range ops {
		made := op.Kind == network.KindTable
		if !made && (op.Kind != network.KindMember || !op.Addr.Is6()) {
			continue
		}
		var err error
		if r, err = k.host.openSixth(); err != nil {
			return err
		}
		switch {
		case made && op.Host.Sixth:
			r.renew()
			r.carriers(carriage{sixthFrame(op.Host.Port), op.Host.Port, members6(), source6, destination6},
				r.base(chainGuard, nftables.ChainTypeFilter, nftables.ChainHookPrerouting, beforeTracking))
		case made:
			if err := k.dropSixth(); err != nil {
				return err
			}
		case op.Act == network.Remove:
			r.take(members6(), nftables.SetElement{Key: op.Addr.AsSlice()})
		default:
			r.put(members6(), nftables.SetElement{Key: op.Addr.AsSlice()})
		}
	}
	if r == nil {
		return nil
	}
	if err := r.commit(); err != nil {
		return fmt.Errorf("the host's table of rules for IPv6: %w", err)
	}
	return nil
}

// dropSixth removes the table, if there is one.
func (k *Kernel) dropSixth() error {
	r, err := k.host.openSixth()
	if err != nil {
		return err
	}
	is, err := r.comments()
	if err != nil || is == nil {
		return err
	}
	r.drop()
	return r.commit()
}

// readSixth adds what that table holds. It counts as there when its rules are as they were made.
func (k *Kernel) readSixth(h *network.Host) error {
	r, err := k.host.openSixth()
	if err != nil {
		return err
	}
	comments, err := r.comments()
	if errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EOPNOTSUPP) {
		return nil // this host has no IPv6
	}
	if err != nil || comments == nil {
		return err
	}
	for chain, n := range map[string]int{chainGuard: 1, chainArriving: 4, chainLeaving: 1} {
		list := comments[chain]
		for _, c := range list {
			if c != sixthFrame(h.Port) {
				return nil
			}
		}
		if len(list) != n {
			return nil
		}
	}
	from, err := r.addresses(members6())
	if err != nil {
		return err
	}
	h.Sixth = true
	for a := range from {
		h.Members[a] = struct{}{}
	}
	return nil
}

// addrFrom is an address as the kernel tells it; invalid: none.
func addrFrom(raw []byte) netip.Addr {
	a, _ := netip.AddrFromSlice(raw)
	return a.Unmap()
}
