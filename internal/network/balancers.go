package network

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/netip"
	"slices"
)

// MaxBackends is how many one balancer spreads over; further ones wait in line, by address.
const MaxBackends = 4096

// NewBackends are the backends in order.
func NewBackends(list []netip.AddrPort) *Backends {
	slices.SortFunc(list, netip.AddrPort.Compare)
	list = list[:min(len(list), MaxBackends)]
	return &Backends{List: list, Sum: sumOf(list)}
}

// sumOf tells one list from another.
func sumOf(list []netip.AddrPort) string {
	h := sha256.New()
	var buf [32]byte
	for _, b := range list {
		h.Write(append(b.AppendTo(buf[:0]), ' '))
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// balancers are the virtual addresses of a network. What did not change since old is taken from there.
func balancers(old *Segment, n *Network, since changes) *Balancers {
	next := &Balancers{ByVIP: map[netip.Addr]*Backends{}}
	if old != nil {
		if len(since.services) == 0 {
			return old.Balancers
		}
		next.ByVIP = maps.Clone(old.Balancers.ByVIP)
		for id := range since.services {
			if s := old.network.Services[id]; s != nil {
				delete(next.ByVIP, s.VIP)
			}
		}
	}
	for id, serving := range since.services {
		if s := n.Services[id]; s != nil && s.VIP.IsValid() {
			next.ByVIP[s.VIP] = backendsAt(serving, 0)
		}
	}
	return next
}

// backendsAt are the backends that endpoints are at a port; 0: at the one that was asked for.
func backendsAt(serving []*Endpoint, port uint16) *Backends {
	list := make([]netip.AddrPort, 0, len(serving))
	for _, e := range serving {
		list = append(list, netip.AddrPortFrom(e.Addr, port))
	}
	return NewBackends(list)
}
