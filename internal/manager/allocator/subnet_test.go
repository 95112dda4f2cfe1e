package allocator

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"pgregory.net/rapid"
)

// TestSubnetsNeverOverlap: whatever is created and removed, no two networks share an address, a network's subnet
// never changes, a network waits only when it must, and a step that has nothing to do writes nothing.
func TestSubnetsNeverOverlap(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		w.t = rt
		w.do([]string{"cluster", "c", "pools=10.0.0.0/22,192.168.0.0/24", "size=24"})
		had := map[model.ID]netip.Prefix{}
		name := rapid.SampledFrom(strings.Split("abcdefgh", ""))
		subnet := rapid.SampledFrom([]string{"", "", "", "10.0.1.0/24", "10.0.0.0/23", "10.0.2.64/26", "172.16.0.0/16", "fd00::/64"})
		rt.Repeat(map[string]func(*rapid.T){
			"create": func(rt *rapid.T) {
				n := name.Draw(rt, "name")
				if store.Networks.ByID(w.s.View(), w.id(n)) != nil {
					rt.Skip("exists")
				}
				w.do([]string{"network", n, "subnet=" + subnet.Draw(rt, "subnet")})
			},
			"remove": func(rt *rapid.T) {
				id := w.id(name.Draw(rt, "name"))
				if store.Networks.ByID(w.s.View(), id) == nil {
					rt.Skip("does not exist")
				}
				delete(had, id)
				w.remove(id)
			},
			"takeover": func(*rapid.T) { w.loop = control.NewLoop(New(), w.s, w.direct(), w.clock) },
			"": func(rt *rapid.T) {
				w.step()
				v := w.s.View()
				checkNetworks(rt, v, had)
				w.step()
				if w.s.View().Index() != v.Index() {
					rt.Fatalf("a step with nothing to do wrote rows")
				}
			},
		})
	})
}

func checkNetworks(t *rapid.T, v store.View, had map[model.ID]netip.Prefix) {
	var all []netip.Prefix
	waiting := false
	for a := range store.Allocations.All(v) {
		n := store.Networks.ByID(v, a.Owner)
		if n == nil {
			t.Fatalf("an allocation outlived its network")
		}
		if a.Done == (a.Err != "") || a.Done != (len(a.Networks) > 0) {
			t.Fatalf("%s: %+v says neither done nor why", n.Name, a)
		}
		waiting = waiting || !a.Done && !givesSubnet(n)
		for _, sub := range a.Networks {
			for _, other := range all {
				if other.Overlaps(sub.Addr) {
					t.Fatalf("%s overlaps with %s", sub.Addr, other)
				}
			}
			all = append(all, sub.Addr)
		}
		if a.Done {
			if old, ok := had[n.ID]; ok && old != a.Networks[0].Addr {
				t.Fatalf("%s moved from %s to %s", n.Name, old, a.Networks[0].Addr)
			}
			had[n.ID] = a.Networks[0].Addr
		}
	}
	if store.Allocations.Len(v) != store.Networks.Len(v) {
		t.Fatalf("%d networks have %d allocations", store.Networks.Len(v), store.Allocations.Len(v))
	}
	for _, s := range []string{"10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24", "10.0.3.0/24", "192.168.0.0/24"} {
		p := netip.MustParsePrefix(s)
		if waiting && !slices.ContainsFunc(all, p.Overlaps) {
			t.Fatalf("a network waits though %s is free", s)
		}
	}
}
