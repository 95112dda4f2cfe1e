package network

import (
	"maps"
	"net/netip"
	"testing"

	"github.com/skep-org/skep/internal/model"
)

// BenchmarkOneEndpoint is what a node decides when one of 10,000 endpoints of 1,000 services changes: a new plan, and the
// difference to the one before.
func BenchmarkOneEndpoint(b *testing.B) {
	f, n := NewFabric(), &Network{
		ID: number('w', 1), Subnet: netip.MustParsePrefix("10.0.0.0/8"), Gateway: netip.MustParseAddr("10.0.0.1"),
		Services: map[model.ID]*Service{}, Endpoints: map[model.ID]*Endpoint{},
	}
	f.Nodes, f.Networks = map[model.ID]Node{}, map[model.ID]*Network{n.ID: n}
	for i := range 5 {
		f.Nodes[number('n', i)] = Node{ID: number('n', i), Underlay: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})}
	}
	addr := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}) }
	endpoint := func(i, at int) *Endpoint {
		return &Endpoint{ID: number('e', i), Service: number('s', i/10), Node: number('n', i%5), Addr: addr(at), Serving: true}
	}
	for i := range 1000 {
		n.Services[number('s', i)] = &Service{ID: number('s', i), VIP: addr(100000 + i)}
	}
	for i := range 10000 {
		n.Endpoints[number('e', i)] = endpoint(i, i)
	}
	boxes := []Sandbox{{Key: "box", Links: []Link{{Endpoint: number('e', 0), Network: n.ID, Addr: netip.PrefixFrom(addr(0), 8)}}}}
	have := Plan(f, number('n', 0), boxes, Settings{})
	for round := 0; b.Loop(); round++ {
		next, changed := *f, *f.Networks[n.ID]
		changed.Endpoints = maps.Clone(changed.Endpoints)
		e := endpoint(round%10000, 200000+round%100000)
		changed.Endpoints[e.ID] = e
		next.Networks = map[model.ID]*Network{n.ID: &changed}
		f = &next
		want := Replan(have, f, number('n', 0), boxes, Settings{})
		if len(Diff(want, have)) == 0 {
			b.Fatal("nothing changed")
		}
		have = want
	}
}
