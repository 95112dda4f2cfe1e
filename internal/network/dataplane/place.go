package dataplane

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network"
)

// place is one container's place on one network: what the engine calls an endpoint.
type place struct {
	ID      string // the engine's
	Realm   string // the engine's network
	Network model.ID
	Owner   model.ID     // the task, or the guest
	Guest   bool         // no task's
	Addr    netip.Prefix // invalid: the managers have yet to give a guest its own
	Asked   netip.Addr   // that a guest's user wants
	Names   []string     // of a guest
	DNS     []netip.Addr // whom its user wants asked for other names
	Ports   []network.Port
	Sandbox string // the path of its namespace, once it has joined
	Outside bool   // a guest that has another way out

	missing time.Time // since when the engine does not have it; zero: it does
}

func (p *place) link() network.Link {
	return network.Link{Endpoint: p.Owner, Network: p.Network, Addr: p.Addr}
}

// guestID is the id that a container's place has in the cluster when no task runs it: the engine's own, shortened.
func guestID(endpoint string) (id model.ID) {
	for i := range id {
		id[i] = unhex(endpoint, 2*i)<<4 | unhex(endpoint, 2*i+1)
	}
	return id
}

func unhex(s string, i int) byte {
	switch {
	case i >= len(s):
		return 0
	case s[i] >= '0' && s[i] <= '9':
		return s[i] - '0'
	case s[i] >= 'a' && s[i] <= 'f':
		return s[i] - 'a' + 10
	}
	return 0
}

// boxes are the sandboxes of places that have joined, in the order of their paths.
func boxes(places map[string]*place) []network.Sandbox {
	all := map[string]*network.Sandbox{}
	for _, id := range slices.Sorted(maps.Keys(places)) {
		p := places[id]
		if p.Sandbox == "" || !p.Addr.IsValid() {
			continue
		}
		b := all[p.Sandbox]
		if b == nil {
			b = &network.Sandbox{Key: p.Sandbox, Owner: p.Owner}
			all[p.Sandbox] = b
		}
		b.Links = append(b.Links, p.link())
		b.HostPorts = append(b.HostPorts, p.Ports...)
	}
	out := make([]network.Sandbox, 0, len(all))
	for _, key := range slices.Sorted(maps.Keys(all)) {
		slices.SortFunc(all[key].Links, func(a, b network.Link) int {
			return cmp.Or(a.Network.Compare(b.Network), a.Endpoint.Compare(b.Endpoint))
		})
		out = append(out, *all[key])
	}
	return out
}
