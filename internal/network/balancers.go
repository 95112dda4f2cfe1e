package network

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/netip"
	"slices"

	"github.com/skep-org/skep/internal/model"
)

// MaxBackends is how many one balancer spreads over; further ones wait in line, by address.
const MaxBackends = 4096

// NewBackends are the backends in order.
func NewBackends(list []netip.AddrPort) *Backends {
	slices.SortFunc(list, netip.AddrPort.Compare)
	list = list[:min(len(list), MaxBackends)]
	h := sha256.New()
	var buf [32]byte
	for _, b := range list {
		h.Write(append(b.AppendTo(buf[:0]), ' '))
	}
	return &Backends{List: list, Sum: hex.EncodeToString(h.Sum(nil)[:8])}
}

// balancers are the virtual addresses of a network. What did not change since old is taken from there.
func balancers(old *Segment, n *Network) *Balancers {
	next := &Balancers{ByVIP: map[netip.Addr]*Backends{}}
	was := &Network{}
	if old != nil && old.Balancers != nil {
		was, next.ByVIP = old.network, maps.Clone(old.Balancers.ByVIP)
	}
	touched := touchedServices(was, n)
	if len(touched) == 0 && old != nil && old.Balancers != nil {
		return old.Balancers
	}
	for id := range touched {
		if s := was.Services[id]; s != nil {
			delete(next.ByVIP, s.VIP)
		}
	}
	for id, serving := range touched {
		if s := n.Services[id]; s != nil && s.VIP.IsValid() {
			next.ByVIP[s.VIP] = NewBackends(serving)
		}
	}
	return next
}

// touchedServices are the services of which anything changed, with what is behind them now.
func touchedServices(was, n *Network) map[model.ID][]netip.AddrPort {
	touched := map[model.ID][]netip.AddrPort{}
	for id, s := range was.Services {
		if n.Services[id] != s {
			touched[id] = nil
		}
	}
	for id, s := range n.Services {
		if was.Services[id] != s {
			touched[id] = nil
		}
	}
	for id, e := range was.Endpoints {
		if n.Endpoints[id] != e {
			touched[e.Service] = nil
		}
	}
	for id, e := range n.Endpoints {
		if was.Endpoints[id] != e {
			touched[e.Service] = nil
		}
	}
	for _, e := range n.Endpoints {
		if _, ok := touched[e.Service]; ok && e.Serving {
			touched[e.Service] = append(touched[e.Service], netip.AddrPortFrom(e.Addr, 0))
		}
	}
	return touched
}
