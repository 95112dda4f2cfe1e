package kernel

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/skep-org/skep/internal/network"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// toGone matches connections that end where nobody is any more.
type toGone []*network.Flows

func (g toGone) MatchConntrackFlow(f *netlink.ConntrackFlow) bool {
	end, ok := netip.AddrFromSlice(f.Reverse.SrcIP.To4())
	if !ok {
		return false
	}
	for _, flows := range g {
		if flows.Forgets(end) {
			return true
		}
	}
	return false
}

// forget has one namespace forget connections: the next packet of each is a new one, which is balanced anew or refused.
func (k *Kernel) forget(ops []network.Op) error {
	s := k.host
	if box := ops[0].Box; box != "" {
		var err error
		if s, err = openForRules(box); err != nil {
			return nil //nolint:nilerr // its connections went with the container
		}
		defer s.close()
	}
	h, err := netlink.NewHandleAt(s.ns, unix.NETLINK_NETFILTER)
	if err != nil {
		return fmt.Errorf("opening the table of connections: %w", err)
	}
	defer h.Close()
	gone := make(toGone, len(ops))
	for i, op := range ops {
		gone[i] = op.Flows
	}
	_, err = h.ConntrackDeleteFilters(netlink.ConntrackTable, unix.AF_INET, gone)
	if err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return fmt.Errorf("forgetting connections to what is gone: %w", err)
	}
	return nil
}
