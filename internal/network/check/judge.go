package check

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network"
)

// peer is what became of one node's probes.
type peer struct {
	id      model.ID
	results []Result
}

// byPeer groups results, which are sorted by their node.
func byPeer(results []Result) []peer {
	var all []peer
	at := map[model.ID]int{}
	for _, r := range results {
		i, ok := at[r.Peer]
		if !ok {
			i = len(all)
			at[r.Peer] = i
			all = append(all, peer{id: r.Peer})
		}
		all[i].results = append(all[i].results, r)
	}
	return all
}

func (p peer) at(way Way, size int) (found Result) {
	for _, r := range p.results {
		if r.Way == way && r.Size == size {
			return r
		}
	}
	return Result{Fate: Unsent}
}

func (p peer) fate(way Way, size int) Fate { return p.at(way, size).Fate }

// underlay is where the node is reached without the overlay.
func (p peer) underlay() netip.Addr { return p.at(Direct, small).To.Addr() }

// largest is the largest packet that came by one of the ways.
func (p peer) largest(ways ...Way) (size int) {
	for _, r := range p.results {
		if slices.Contains(ways, r.Way) && r.Fate == Answered {
			size = max(size, r.Size)
		}
	}
	return size
}

// Judge says what probes have found, one finding a node at most: the first thing to mend; and what could not be tried.
func Judge(results []Result, paths Paths) (found []network.Finding, left []Left) {
	for _, p := range byPeer(results) {
		unechoed := p.fate(UDP, small) == Refused // which itself is an answer through the overlay
		if unechoed && p.fate(Overlay, small) != Answered {
			left = append(left, Left{p.id, "it is there, but pings are not answered and skep there does not echo UDP packets just now"})
			continue
		}
		if f, bad := p.judge(paths); bad {
			f.Area, f.Object, f.Peer = network.AreaReach, "node "+p.underlay().String(), p.id
			found = append(found, f)
		} else if unechoed {
			left = append(left, Left{p.id, "skep there does not echo UDP packets just now: only pings were tried"})
		}
	}
	return found, left
}

func (p peer) judge(paths Paths) (f network.Finding, bad bool) {
	mtu, whole := paths.MTU, paths.MTU+paths.Overhead
	answers := func(way Way, size int) bool { return p.fate(way, size) == Answered }
	direct, pinged, heard := answers(Direct, small), answers(Overlay, small), answers(UDP, small)
	switch {
	case !pinged && !heard:
		return p.silent(direct, paths.Port), true
	case !answers(Overlay, mtu) && !answers(UDP, mtu):
		return p.narrow(mtu, whole), true
	case p.fate(UDP, small) == Lost, p.fate(UDP, mtu) == Lost:
		which := "UDP packets"
		if heard {
			which = fmt.Sprintf("UDP packets of %d bytes", mtu)
		}
		return network.Finding{
			Wrong: "pings reach it through the overlay, " + which + " do not",
			Remedy: "Most often a network card gets the checksums inside overlay packets wrong: try ethtool -K INTERFACE tx-checksum-ip-generic off on both nodes; " +
				"otherwise a firewall of that node drops UDP port " + fmt.Sprint(Port) + " that comes in by " + network.IngressLink + ".",
		}, true
	case direct && !answers(Direct, whole):
		return network.Finding{
			Wrong: fmt.Sprintf("packets of %d bytes reach it in pieces only, and the overlay needs as many for its full packets", whole),
			Remedy: fmt.Sprintf("Raise the MTU of what is between the nodes to %d, or give networks a smaller one (--opt %s=%d): pieces cost throughput, and many firewalls drop them.",
				whole, network.OptionMTU, lowered(mtu)),
		}, true
	}
	return p.sealed(paths)
}

// sealed is for a node that is reached as it should be, where encrypted networks may not be.
func (p peer) sealed(paths Paths) (f network.Finding, bad bool) {
	tried := p.at(Encrypted, small)
	port, most := paths.ways[tried.To.Addr()], p.largest(Encrypted)
	switch {
	case !tried.To.IsValid():
		return f, false
	case tried.Fate != Answered:
		return network.Finding{
			Wrong: "it answers, but not by the way that encrypted networks take",
			Remedy: fmt.Sprintf("Open the UDP ports that encrypted networks are carried by (%d, and its neighbour while keys are changed) between the nodes, both ways; "+
				"if they are open, run skep net check on that node.", port),
		}, true
	case p.fate(Encrypted, paths.Sealed) != Answered:
		return network.Finding{
			Wrong: fmt.Sprintf("encrypted packets of %d bytes do not reach it, those of %d do", paths.Sealed, most),
			Remedy: fmt.Sprintf("Raise the MTU of what is between the nodes to %d, or give encrypted networks a smaller one: docker network create --opt encrypted --opt %s=%d.",
				paths.Sealed+paths.Seal, network.OptionMTU, most+paths.Seal),
		}, true
	}
	return f, false
}

// silent is for a node that nothing comes back from through the overlay.
func (p peer) silent(direct bool, port uint16) network.Finding {
	switch {
	case !direct && p.fate(Direct, small) == Unsent:
		return network.Finding{
			Wrong:  "this node has no route to it",
			Remedy: "Give this node a route to that address, or have the other one join with an --advertise-addr that this node reaches.",
		}
	case !direct:
		return network.Finding{
			Wrong: "it does not answer, neither straight nor through the overlay",
			Remedy: fmt.Sprintf("See whether the node and the network between are up; if they are and pings are filtered, open UDP port %d between the nodes, both ways.",
				port),
		}
	case p.fate(Knock, small) == Refused:
		return network.Finding{
			Wrong:  fmt.Sprintf("it answers straight, but its UDP port %d, which carries the overlays, is refused", port),
			Remedy: fmt.Sprintf("Open UDP port %d on that node and on firewalls between; if it is open, see whether skep runs there.", port),
		}
	}
	return network.Finding{
		Wrong:  "it answers straight, but not through the overlay",
		Remedy: fmt.Sprintf("Open UDP port %d between the nodes, both ways; if it is open, run skep net check on that node.", port),
	}
}

// narrow is for a node that small packets reach and full ones do not.
func (p peer) narrow(mtu, whole int) network.Finding {
	most := p.largest(Overlay, UDP)
	return network.Finding{
		Wrong: fmt.Sprintf("packets of %d bytes do not reach it through the overlay, those of %d do", mtu, most),
		Remedy: fmt.Sprintf("Raise the MTU of what is between the nodes to %d, or give networks a smaller one: docker network create --opt %s=%d.",
			whole, network.OptionMTU, most),
	}
}

// lowered is a size that leaves room where a full packet did not fit.
func lowered(mtu int) int { return max(mtu-network.Overhead, 576) }
