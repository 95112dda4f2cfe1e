package network

import "net/netip"

// Overhead is what the way between nodes costs each packet: Ethernet, VXLAN, UDP and IPv4 headers; where nodes reach each
// other by IPv6, a longer one.
const (
	Overhead   = 50
	OverheadV6 = 70
)

// EncryptedOverhead is what it costs a packet of an encrypted network: WireGuard's own 32 bytes, UDP and IP headers.
const (
	EncryptedOverhead   = 60
	EncryptedOverheadV6 = 80
)

// EncryptionPort is the first of the two UDP ports that carry encrypted networks: keys of even generations are used at this
// one, of odd ones at the next.
const EncryptionPort = 51830

const usualMTU = 1500

// OverheadOf is what the way between nodes costs each packet of a network, by this node's address there. The ingress network's
// are in VXLAN packets when they are encrypted, too, and those go by IPv4.
func OverheadOf(n *Network, underlay netip.Addr) int {
	v6, cost := underlay.Is6() && !underlay.Is4In6(), 0
	switch {
	case n.Encrypted && v6:
		cost = EncryptedOverheadV6
	case n.Encrypted:
		cost = EncryptedOverhead
	case v6:
		return OverheadV6
	default:
		return Overhead
	}
	if n.Ingress {
		cost += Overhead
	}
	return cost
}

// MTU is how large a packet of a network may be by the interface between the nodes. What a network's user asks for is in
// place of what that carries, as in swarm: containers have what it leaves them.
func MTU(n *Network, s Settings) int {
	underlay := s.MTU
	if n.MTU > 0 {
		underlay = n.MTU
	}
	if underlay <= 0 {
		underlay = usualMTU
	}
	return underlay - OverheadOf(n, s.Underlay)
}
