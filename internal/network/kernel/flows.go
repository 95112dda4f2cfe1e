package kernel

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"

	"github.com/mdlayher/netlink"
	"github.com/skep-org/skep/internal/network"
	vnetlink "github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Numbers of the kernel's table of connections that no library has.
const (
	ctDelete, ctStats = 2, 5 // messages

	ctTupleReply, ctFilter          = 2, 25 // attributes of a message
	ctFilterOrig, ctFilterTo        = 1, 2  // of a filter
	ctTupleIP, ctSourceV4           = 1, 1  // of a tuple, of its addresses
	ctFilterBySource                = 1     // what of a tuple a filter looks at
	ctEntries                       = 1     // of statistics
	fewAddresses                    = 8     // so many are looked for one by one
	nestedFlag               uint16 = unix.NLA_F_NESTED
)

// forget has a namespace forget connections to what is gone. Where the kernel cannot, they end by themselves, only later:
// that keeps nothing else from being done.
func (k *Kernel) forget(s *space, ops []network.Op) {
	err := k.forgets(s, ops)
	if err == nil {
		return
	}
	level := slog.LevelDebug
	if k.kept.Add(1) == 1 {
		level = slog.LevelWarn
	}
	k.log.Log(context.Background(), level, "connections to containers that are gone cannot be forgotten; they end when they time out", "err", err)
}

// Kept is how often connections to what is gone could not be forgotten so far.
func (k *Kernel) Kept() int { return int(k.kept.Load()) }

// forget has a namespace forget connections: the next packet of each is a new one, which is balanced anew or refused.
// Each search is through the connections of all namespaces, so none is made in one that has no connections, and the
// kernel is asked to search where it can.
func (s *space) forget(ops []network.Op) error {
	r, err := s.openRules()
	if err != nil {
		return err
	}
	if n, err := r.connections(); err == nil && n == 0 {
		return nil
	}
	var rest []*network.Flows
	for _, op := range ops {
		if op.Flows.Gone == nil || len(op.Flows.Gone) > fewAddresses || !r.forgetEach(op.Flows.Gone) {
			rest = append(rest, op.Flows)
		}
	}
	if len(rest) == 0 {
		return nil
	}
	return s.search(rest)
}

// connections is how many there are in the namespace.
func (r *ruleConn) connections() (uint32, error) {
	list, err := r.conntrack(ctStats, nil)
	if err != nil || len(list) == 0 || len(list[0].Data) < 4 {
		return 0, errors.Join(err, errors.New("the kernel does not count connections"))
	}
	n := uint32(0)
	err = attributes(list[0], func(ad *netlink.AttributeDecoder) {
		if ad.Type() == ctEntries && len(ad.Bytes()) == 4 {
			n = binary.BigEndian.Uint32(ad.Bytes())
		}
	})
	return n, err
}

func (r *ruleConn) conntrack(message int, data []byte) ([]netlink.Message, error) {
	raw, err := r.question()
	if err != nil {
		return nil, err
	}
	return raw.Execute(netlink.Message{ // the acknowledgement ends it: statistics come as a part of several and are the only one
		Header: netlink.Header{
			Type: netlink.HeaderType(unix.NFNL_SUBSYS_CTNETLINK<<8 | message), Flags: netlink.Request | netlink.Acknowledge,
		},
		Data: append([]byte{unix.AF_INET, unix.NFNETLINK_V0, 0, 0}, data...),
	})
}

// forgetEach has the kernel delete the connections that end at each address. False: this kernel cannot select them.
func (r *ruleConn) forgetEach(gone map[netip.Addr]struct{}) bool {
	for a := range gone {
		data, err := byEnd(a)
		if err != nil {
			return false
		}
		if _, err := r.conntrack(ctDelete, data); err != nil && !errors.Is(err, unix.ENOENT) {
			return false
		}
	}
	return true
}

// byEnd selects the connections whose answers come from an address.
func byEnd(a netip.Addr) ([]byte, error) {
	addr, err := netlink.MarshalAttributes([]netlink.Attribute{{Type: ctSourceV4, Data: a.AsSlice()}})
	if err != nil {
		return nil, err
	}
	tuple, err := netlink.MarshalAttributes([]netlink.Attribute{{Type: ctTupleIP | nestedFlag, Data: addr}})
	if err != nil {
		return nil, err
	}
	by, err := netlink.MarshalAttributes([]netlink.Attribute{
		{Type: ctFilterOrig, Data: native(0)}, {Type: ctFilterTo, Data: native(ctFilterBySource)},
	})
	if err != nil {
		return nil, err
	}
	return netlink.MarshalAttributes([]netlink.Attribute{
		{Type: ctTupleReply | nestedFlag, Data: tuple}, {Type: ctFilter | nestedFlag, Data: by},
	})
}

// toGone matches connections that end where nobody is any more.
type toGone []*network.Flows

func (g toGone) MatchConntrackFlow(f *vnetlink.ConntrackFlow) bool {
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

// search reads all connections of the namespace and deletes those concerned.
func (s *space) search(gone toGone) error {
	h, err := vnetlink.NewHandleAt(s.ns, unix.NETLINK_NETFILTER)
	if err != nil {
		return fmt.Errorf("opening the table of connections: %w", err)
	}
	defer h.Close()
	_, err = h.ConntrackDeleteFilters(vnetlink.ConntrackTable, unix.AF_INET, gone)
	if err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, vnetlink.ErrDumpInterrupted) {
		return fmt.Errorf("forgetting connections to what is gone: %w", err)
	}
	return nil
}
