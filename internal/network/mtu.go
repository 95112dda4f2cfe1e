package network

// Overhead is what the way between nodes costs each packet: Ethernet, VXLAN, UDP and IPv4 headers.
const Overhead = 50

// EncryptedOverhead is what it costs a packet of an encrypted network: WireGuard's own 32 bytes, UDP and IPv4 headers. Where
// nodes reach each other by IPv6 it is 20 bytes more.
const (
	EncryptedOverhead   = 60
	EncryptedOverheadV6 = 80
)

// EncryptionPort is the first of the two UDP ports that carry encrypted networks: keys of even generations are used at this
// one, of odd ones at the next.
const EncryptionPort = 51830

const usualMTU = 1500

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
	switch {
	case n.Encrypted && s.Underlay.Is6() && !s.Underlay.Is4In6():
		return underlay - EncryptedOverheadV6
	case n.Encrypted:
		return underlay - EncryptedOverhead
	}
	return underlay - Overhead
}
