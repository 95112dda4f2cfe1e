package dns

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestZonesFromZones: what is made step by step answers as what is made from nothing, and the steps before stay as they
// were. No answer has an address that nobody who serves has.
func TestZonesFromZones(t *testing.T) {
	names := []string{"web", "Web", "db", "tasks.web", "web.1", "c1"}
	some := rapid.SliceOfNDistinct(rapid.SampledFrom(names), 0, 3, rapid.ID)
	addrs := make([]netip.Addr, 8)
	for i := range addrs {
		addrs[i] = netip.AddrFrom4([4]byte{127, 9, 0, byte(i + 1)})
	}
	rapid.Check(t, func(t *rapid.T) {
		f := fabricOf(nil)
		zones := MakeZones(nil, f, []Asker{askerAt(client)})
		var before *Zones // the step before, and what it said
		var said string
		t.Repeat(map[string]func(*rapid.T){
			"change": func(t *rapid.T) {
				n := *f.Networks[idOf(overlay)]
				n.Services, n.Endpoints = maps.Clone(n.Services), maps.Clone(n.Endpoints)
				for range rapid.IntRange(1, 4).Draw(t, "changes") {
					object := rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "object")
					id, task := idOf(object), idOf("task"+object)
					switch rapid.IntRange(0, 3).Draw(t, "kind") {
					case 0:
						s := &network.Service{ID: id, Name: rapid.SampledFrom(names).Draw(t, "name"), Aliases: some.Draw(t, "aliases")}
						if rapid.Bool().Draw(t, "vip") {
							s.VIP = rapid.SampledFrom(addrs).Draw(t, "vip")
						}
						n.Services[id] = s
					case 1:
						n.Endpoints[task] = &network.Endpoint{
							ID: task, Service: rapid.SampledFrom([]model.ID{{}, idOf("1"), idOf("2")}).Draw(t, "of"),
							Addr: rapid.SampledFrom(addrs).Draw(t, "addr"), Serving: rapid.Bool().Draw(t, "serving"), Names: some.Draw(t, "names"),
						}
					case 2:
						delete(n.Services, id)
					case 3:
						delete(n.Endpoints, task)
					}
				}
				next := *f
				next.Networks = map[model.ID]*network.Network{n.ID: &n}
				before, said = zones, everything(zones, names, addrs)
				f, zones = &next, MakeZones(zones, &next, []Asker{askerAt(client)})
			},
			"": func(t *rapid.T) {
				require.Equal(t, everything(MakeZones(nil, f, []Asker{askerAt(client)}), names, addrs), everything(zones, names, addrs))
				if before != nil {
					require.Equal(t, said, everything(before, names, addrs))
				}
				n := f.Networks[idOf(overlay)]
				for _, name := range names {
					for _, addr := range z(zones, name) {
						require.True(t, alive(n, addr), "%s leads to %s, which is nobody's", name, addr)
					}
				}
			},
		})
	})
}

// z is what a name leads to for the one asker there is.
func z(zones *Zones, name string) []netip.Addr {
	a := zones.askers[place{idOf(overlay), netip.MustParseAddr(client)}]
	r := zones.answer(a, new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeA), 0)
	if r == nil {
		return nil
	}
	var all []netip.Addr
	for _, rr := range r.Answer {
		addr, _ := netip.AddrFromSlice(rr.(*dns.A).A.To4())
		all = append(all, addr)
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return all
}

func alive(n *network.Network, addr netip.Addr) bool {
	for _, s := range n.Services {
		if s.VIP == addr {
			return true
		}
	}
	for _, e := range n.Endpoints {
		if e.Serving && e.Addr == addr {
			return true
		}
	}
	return false
}

func everything(zones *Zones, names []string, addrs []netip.Addr) (all string) {
	a := zones.askers[place{idOf(overlay), netip.MustParseAddr(client)}]
	for _, name := range names {
		_, known := a.find(name)
		all += fmt.Sprint(name, known, z(zones, name), z(zones, name+".front"), z(zones, "tasks."+name), "\n")
	}
	for _, addr := range addrs {
		all += fmt.Sprint(addr, a.names(addr), "\n")
	}
	return all
}

// TestOneOfTenThousand: one task of many that ends is not listed any more long before its bound.
func TestOneOfTenThousand(t *testing.T) {
	services := map[string]int{}
	for i := range 1000 {
		services[fmt.Sprintf("service%d", i)] = 10
	}
	f := fabricOf(services)
	askers := []Asker{askerAt(client)}
	zones := MakeZones(nil, f, askers)
	n := *f.Networks[idOf(overlay)]
	n.Endpoints = maps.Clone(n.Endpoints)
	delete(n.Endpoints, idOf("service7.3"))
	f.Networks = map[model.ID]*network.Network{n.ID: &n}
	start := time.Now()
	zones = MakeZones(zones, f, askers)
	took := time.Since(start)
	require.Len(t, z(zones, "service7"), 9)
	require.Len(t, z(zones, "service8"), 10)
	t.Logf("one change among 10,000 endpoints: %s", took)
	require.Less(t, took, 100*time.Millisecond)
}
