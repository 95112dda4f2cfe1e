package network

import (
	"encoding/binary"
	"net/netip"
)

// Connections that entered the routing mesh at another node bear a mark on the node of their backend, so that answers
// go back through where they came in. It is a fixed upper half and the node's place in the ingress subnet: 65,535 nodes.
// The same number names the routing table.
const (
	MarkBase = 0x5CE90000
	MarkMask = 0xFFFF0000

	rulePriority  = 5000       // before the main table's
	groupPriority = 0x5CE80000 // only jumped to, hence after it
)

// Mark is the mark of the node that has an address on the ingress network. False: its place is past the 65,535th.
func Mark(subnet netip.Prefix, node netip.Addr) (uint32, bool) {
	a, first := node.As4(), subnet.Masked().Addr().As4()
	place := binary.BigEndian.Uint32(a[:]) - binary.BigEndian.Uint32(first[:])
	return MarkBase | place&^MarkMask, place != 0 && place&MarkMask == 0
}

// rulesFor are the policy rules that send packets with one of these marks through its table. One rule says whether a
// packet is concerned at all, the next ones to which 256 nodes it belongs: no packet is held against thousands of rules.
func rulesFor(subnet netip.Prefix, marks map[uint32]netip.Addr) map[Rule]struct{} {
	rules := map[Rule]struct{}{}
	for mark := range marks {
		group := mark &^ 0xFF
		rules[Rule{From: subnet, Priority: rulePriority, Mark: MarkBase, Mask: MarkMask, Goto: groupPriority}] = struct{}{}
		rules[Rule{From: subnet, Priority: groupPriority, Mark: group, Mask: 0xFFFFFF00, Goto: group}] = struct{}{}
		rules[Rule{From: subnet, Priority: group, Mark: mark, Mask: 0xFFFFFFFF, Table: mark}] = struct{}{}
	}
	return rules
}
