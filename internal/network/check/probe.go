package check

import (
	"net/netip"
	"slices"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network"
)

// Port is the UDP port on which nodes echo at their addresses on the ingress network.
const Port = 2377

// Way is how a probe travels.
type Way string

// The ways, and what travels.
const (
	Direct  Way = "direct"  // a ping to the node's own address
	Overlay Way = "overlay" // a ping to its address on the ingress network, in VXLAN packets
	UDP     Way = "udp"     // a UDP packet to the same
	Knock   Way = "knock"   // a VXLAN packet for no network: nothing comes back unless it is refused
	// Encrypted is a ping to the same address by the way that encrypted networks take.
	Encrypted Way = "encrypted"
)

// small is the length of a packet that gets through wherever anything does.
const small = 100

// Probe is one packet to be sent. Its length is the IP packet's, and it may not be cut up on the way.
type Probe struct {
	Peer model.ID
	To   netip.AddrPort // no port for pings
	Way  Way
	Size int
}

// Fate is what became of a probe.
type Fate string

// Fates. Too large: this node's own kernel would not send a packet of that size.
const (
	Answered Fate = "answered"
	Lost     Fate = "lost"
	Refused  Fate = "refused"
	TooLarge Fate = "too large"
	Unsent   Fate = "unsent"
)

// Result is a probe and its fate.
type Result struct {
	Probe
	Fate Fate
}

// Left is a node that was not probed.
type Left struct {
	Peer model.ID `json:"peer"`
	Why  string   `json:"why"`
}

// Paths is what is known of the ways between nodes before a packet is sent.
type Paths struct {
	MTU      int                   // of packets through the overlay
	Overhead int                   // what wraps them
	Port     uint16                // that they go to
	Sealed   int                   // MTU of packets that are encrypted; 0: none are
	Seal     int                   // what encryption adds to them
	ways     map[netip.Addr]uint16 // by which port of their nodes addresses are reached, encrypted
}

// PathsOf are a node's, where overlay packets have mtu bytes.
func PathsOf(f *network.Fabric, self model.ID, mtu int, e *network.Encrypted) Paths {
	p := Paths{MTU: mtu, Overhead: network.Overhead, Port: f.Port, ways: map[netip.Addr]uint16{}}
	for _, n := range f.Networks {
		if n.Ingress {
			p.Overhead = network.OverheadOf(n, f.Nodes[self].Underlay)
		}
	}
	p.Seal = network.OverheadOf(&network.Network{Encrypted: true}, f.Nodes[self].Underlay)
	if e == nil {
		return p
	}
	for _, dev := range e.Devices {
		p.Sealed = max(p.Sealed, dev.MTU)
	}
	for name, dev := range e.Devices {
		for _, peer := range dev.Peers {
			for _, a := range peer.Allowed {
				if e.Routes[a] == name {
					p.ways[a] = peer.Endpoint.Port()
				}
			}
		}
	}
	return p
}

// Probes are what there is to send from a node, and whom nothing is sent.
func Probes(f *network.Fabric, self model.ID, paths Paths) ([]Probe, []Left) {
	mtu := paths.MTU
	var probes []Probe
	var left []Left
	own := f.Nodes[self]
	for _, n := range f.Nodes {
		switch {
		case n.ID == self:
			continue
		case n.Down:
			left = append(left, Left{n.ID, "the managers take it for down"})
			continue
		case !own.Ingress.IsValid() || !n.Ingress.IsValid():
			left = append(left, Left{n.ID, "it or this node has no address on the ingress network yet"})
			continue
		}
		direct, inside := netip.AddrPortFrom(n.Underlay, 0), netip.AddrPortFrom(n.Ingress.Addr(), 0)
		udp := netip.AddrPortFrom(n.Ingress.Addr(), Port)
		for _, p := range []Probe{
			{To: direct, Way: Direct, Size: small}, {To: direct, Way: Direct, Size: mtu + paths.Overhead},
			{To: inside, Way: Overlay, Size: small}, {To: inside, Way: Overlay, Size: mtu},
			{To: udp, Way: UDP, Size: small}, {To: udp, Way: UDP, Size: mtu},
			{To: netip.AddrPortFrom(n.Underlay, f.Port), Way: Knock, Size: small},
		} {
			p.Peer = n.ID
			probes = append(probes, p)
		}
		if _, sealed := paths.ways[n.Ingress.Addr()]; sealed {
			for _, size := range []int{small, paths.Sealed} {
				probes = append(probes, Probe{Peer: n.ID, To: inside, Way: Encrypted, Size: size})
			}
		}
	}
	slices.SortStableFunc(probes, func(a, b Probe) int { return a.Peer.Compare(b.Peer) })
	slices.SortFunc(left, func(a, b Left) int { return a.Peer.Compare(b.Peer) })
	return probes, left
}

// between are sizes to be tried where a full packet is lost and a small one is not, to tell what gets through.
func between(mtu int) []int {
	var sizes []int
	for _, s := range []int{576, 1000, 1200, 1280, 1350, 1372, 1380, 1400, 1420, 1440, 1450, 1500, 4000, 8000, 8900} {
		if s > small && s < mtu {
			sizes = append(sizes, s)
		}
	}
	return sizes
}

// Further are the probes that a first round's results call for.
func Further(results []Result, paths Paths) []Probe {
	var more []Probe
	for _, of := range byPeer(results) {
		for way, mtu := range map[Way]int{Overlay: paths.MTU, Encrypted: paths.Sealed} {
			if of.fate(way, small) != Answered || of.fate(way, mtu) == Answered {
				continue
			}
			for _, size := range between(mtu) {
				p := of.at(way, small).Probe
				p.Size = size
				more = append(more, p)
			}
		}
	}
	return more
}
