package network

// Overhead is what the way between nodes costs each packet: Ethernet, VXLAN, UDP and IPv4 headers.
const Overhead = 50

const usualMTU = 1500

// MTU is how large a packet of a network may be where the interface between the nodes carries underlay bytes; 0: it is
// not known. What a network's user asks for is in place of that, as in swarm: containers have what it leaves them.
func MTU(n *Network, underlay int) int {
	if n.MTU > 0 {
		underlay = n.MTU
	}
	if underlay <= 0 {
		underlay = usualMTU
	}
	return underlay - Overhead
}
