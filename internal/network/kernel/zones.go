package kernel

import (
	"errors"
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"github.com/mdlayher/netlink"
	"github.com/skep-org/skep/internal/network"
	"golang.org/x/sys/unix"
)

// apart keeps connections apart that entered at different nodes: a client may use the same port towards two of them,
// which lead both connections to the same container. On its node they would be one. So the way there is looked up among
// the connections of the node a packet came from: its place in the ingress subnet is the number of their zone. The way
// back is the same for all of them, so the second one that would have the first one's is given another source port,
// and keeps its address.
//
// The rule goes into a transaction of its own, after the one that made the table: package nftables cannot say that a
// zone is that of one direction only.
func (r *ruleConn) apart(is string) error {
	way, err := netlink.MarshalAttributes([]netlink.Attribute{
		{Type: unix.NFTA_CT_KEY, Data: network32(unix.NFT_CT_ZONE)},
		{Type: unix.NFTA_CT_SREG, Data: network32(1)},
		{Type: unix.NFTA_CT_DIRECTION, Data: []byte{0}}, // the one in which it was opened
	})
	if err != nil {
		return err
	}
	zone, err := netlink.MarshalAttributes([]netlink.Attribute{
		{Type: unix.NFTA_EXPR_NAME, Data: []byte("ct\x00")},
		{Type: unix.NLA_F_NESTED | unix.NFTA_EXPR_DATA, Data: way},
	})
	if err != nil {
		return err
	}
	var parts []netlink.Attribute
	before := append(incoming(network.IngressLink, true), etherSource()...)
	before = append(before,
		&expr.Lookup{SourceRegister: 1, DestRegister: 1, IsDestRegSet: true, SetName: marks().Name},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: native(^network.MarkMask & 0xFFFFFFFF), Xor: make([]byte, 4)},
	)
	for _, e := range before {
		data, err := expr.Marshal(byte(nftables.TableFamilyIPv4), e)
		if err != nil {
			return fmt.Errorf("the rule that keeps connections apart: %w", err)
		}
		parts = append(parts, netlink.Attribute{Type: unix.NLA_F_NESTED | unix.NFTA_LIST_ELEM, Data: data})
	}
	all, err := netlink.MarshalAttributes(append(parts, netlink.Attribute{Type: unix.NLA_F_NESTED | unix.NFTA_LIST_ELEM, Data: zone}))
	if err != nil {
		return err
	}
	rule, err := netlink.MarshalAttributes([]netlink.Attribute{
		{Type: unix.NFTA_RULE_TABLE, Data: []byte(tableName + "\x00")},
		{Type: unix.NFTA_RULE_CHAIN, Data: []byte(chainGuard + "\x00")},
		{Type: unix.NLA_F_NESTED | unix.NFTA_RULE_EXPRESSIONS, Data: all},
		{Type: unix.NFTA_RULE_USERDATA, Data: userdata.AppendString(nil, userdata.TypeComment, is)},
	})
	if err != nil {
		return err
	}
	if err := r.transaction(unix.NFT_MSG_NEWRULE, netlink.Create|netlink.Append, rule); err != nil {
		return fmt.Errorf("the rule that keeps connections apart: %w", err)
	}
	return nil
}

func network32(n uint32) []byte { return []byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)} }

// transaction does one thing and waits for the kernel's word on it.
func (r *ruleConn) transaction(message int, flags netlink.HeaderFlags, data []byte) error {
	raw, err := r.question()
	if err != nil {
		return err
	}
	limit := netlink.Message{
		Header: netlink.Header{Flags: netlink.Request},
		Data:   []byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, unix.NFNL_SUBSYS_NFTABLES},
	}
	begin, end := limit, limit
	begin.Header.Type, end.Header.Type = unix.NFNL_MSG_BATCH_BEGIN, unix.NFNL_MSG_BATCH_END
	sent, err := raw.SendMessages([]netlink.Message{begin, {
		Header: netlink.Header{
			Type:  netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | message),
			Flags: netlink.Request | netlink.Acknowledge | flags,
		},
		Data: append([]byte{unix.NFPROTO_IPV4, unix.NFNETLINK_V0, 0, 0}, data...),
	}, end})
	if err != nil {
		return err
	}
	for {
		answers, err := raw.Receive()
		if err != nil {
			return err
		}
		for _, a := range answers {
			if a.Header.Sequence == sent[1].Header.Sequence {
				return nil
			}
		}
		if len(answers) == 0 {
			return errors.New("the kernel says nothing")
		}
	}
}
