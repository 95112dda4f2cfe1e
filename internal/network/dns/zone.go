package dns

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network"
)

// tasksOf comes before a service's name where its tasks' own addresses are wanted, whether it has a VIP or not.
const tasksOf = "tasks."

// zone is the names of one network, ready to be looked up. A task that starts or ends among ten thousand costs a
// comparison of pointers, not indexes made anew.
type zone struct {
	of        *network.Network
	name      string                 // the network's, in lower case
	services  bag[*network.Service]  // by name and alias, in lower case
	endpoints bag[*network.Endpoint] // by their own names, in lower case; those that do not serve, too
	serving   bag[*network.Endpoint] // those that serve, by service
	reverse   bag[called]            // by address
}

// called is a name of an address, and whose it is: for a moment two may have the same.
type called struct {
	owner model.ID
	name  string
}

// next is the zone of a network as it has become; z may be nil.
func (z *zone) next(n *network.Network) *zone {
	if z == nil {
		z = &zone{of: &network.Network{}}
	}
	if z.of == n {
		return z
	}
	e := edit{newChange[*network.Service](), newChange[*network.Endpoint](), newChange[*network.Endpoint](), newChange[called]()}
	for id, old := range z.of.Services {
		if n.Services[id] != old {
			e.service(old, goes)
		}
	}
	for id, now := range n.Services {
		if z.of.Services[id] != now {
			e.service(now, comes)
		}
	}
	for id, old := range z.of.Endpoints {
		if n.Endpoints[id] != old {
			e.endpoint(old, goes)
		}
	}
	for id, now := range n.Endpoints {
		if z.of.Endpoints[id] != now {
			e.endpoint(now, comes)
		}
	}
	return &zone{
		of: n, name: strings.ToLower(n.Name),
		services: z.services.with(e.services), endpoints: z.endpoints.with(e.endpoints),
		serving: z.serving.with(e.serving), reverse: z.reverse.with(e.reverse),
	}
}

// edit is what of a zone changes.
type edit struct {
	services  change[*network.Service]
	endpoints change[*network.Endpoint]
	serving   change[*network.Endpoint]
	reverse   change[called]
}

func (e edit) service(s *network.Service, w way) {
	for _, name := range distinct(s.Name, s.Aliases) {
		e.services.put(w, name, s)
	}
	if s.VIP.IsValid() {
		e.reverse.put(w, addrKey(s.VIP), called{s.ID, s.Name})
	}
}

func (e edit) endpoint(p *network.Endpoint, w way) {
	for _, name := range distinct("", p.Names) {
		e.endpoints.put(w, name, p)
	}
	if p.Serving && !p.Service.IsZero() {
		e.serving.put(w, serviceKey(p.Service), p)
	}
	if len(p.Names) > 0 {
		e.reverse.put(w, addrKey(p.Addr), called{p.ID, p.Names[0]})
	}
}

// distinct are names in lower case, each of them once.
func distinct(name string, more []string) []string {
	all := make([]string, 0, 1+len(more))
	for _, n := range append(slices.Clone(more), name) {
		if n = strings.ToLower(n); n != "" && !slices.Contains(all, n) {
			all = append(all, n)
		}
	}
	return all
}

func serviceKey(id model.ID) string { return string(id[:]) }

func addrKey(a netip.Addr) string {
	b := a.As16()
	return string(b[:])
}

// find is what a name in lower case leads to; known: it is a name of this network, even if it leads nowhere just now.
func (z *zone) find(name string) (addrs []netip.Addr, known bool) {
	if service, ok := strings.CutPrefix(name, tasksOf); ok {
		services, found := z.services.get(service)
		known = found
		for _, s := range services {
			addrs = z.tasks(addrs, s)
		}
	}
	services, found := z.services.get(name)
	known = known || found
	for _, s := range services {
		if s.VIP.IsValid() {
			addrs = append(addrs, s.VIP)
		} else {
			addrs = z.tasks(addrs, s)
		}
	}
	endpoints, found := z.endpoints.get(name)
	known = known || found
	for _, p := range endpoints {
		if p.Serving {
			addrs = append(addrs, p.Addr)
		}
	}
	return addrs, known
}

// tasks appends the addresses of a service's tasks that serve.
func (z *zone) tasks(addrs []netip.Addr, s *network.Service) []netip.Addr {
	tasks, _ := z.serving.get(serviceKey(s.ID))
	addrs = slices.Grow(addrs, len(tasks))
	for _, p := range tasks {
		addrs = append(addrs, p.Addr)
	}
	return addrs
}
