package network

import (
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/skep-org/skep/internal/model"
)

// TestRing runs the scripts in testdata/ring: what nodes say of their keys, and what this one, n1, makes of it.
//
//	set, unset   nodes, as in TestDiff; sends= is the oldest generation that one sends by
//	step         after=: so much later; sends=: this node's own. What it does is done
func TestRing(t *testing.T) {
	datadriven.Walk(t, "testdata/ring", func(t *testing.T, path string) {
		s, now, r := newScript(), time.Unix(1000, 0), Ring{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "set", "unset":
				before := s.fabric
				for line := range strings.Lines(d.Input) {
					s.line(t, d.Cmd == "set", strings.Fields(line))
				}
				r.Left = r.Left || Leavers(before, s.fabric)
				return "ok"
			case "step":
				var after, sends int
				d.MaybeScanArgs(t, "after", &after)
				d.MaybeScanArgs(t, "sends", &sends)
				now = now.Add(time.Duration(after) * time.Hour)
				return stepRing(&r, now, s.fabric, uint64(sends))
			}
			t.Fatalf("unknown command %s", d.Cmd)
			return ""
		})
	})
}

func stepRing(r *Ring, now time.Time, f *Fabric, sends uint64) string {
	said := ""
	if g := r.Due(now, f, named("n1"), 12*time.Hour); g != 0 {
		*r = r.With(now, NodeKey{Generation: g, Key: Key{byte(g)}})
		said += fmt.Sprintf("makes a key of generation %d\n", g)
	}
	inForce := sendsBy(sends)
	if r.Spent(f, named("n1"), inForce) {
		said += fmt.Sprintf("loses the one of generation %d\n", r.Keys[0].Generation)
		*r = r.Without()
	}
	if r.Changing() {
		for _, h := range r.Holdups(f, named("n1"), inForce) {
			said += "waits for " + strings.TrimRight(string(h.Node[:]), "\x00")
			if h.Behind {
				said += ", which has no new key"
			}
			said += "\n"
		}
	}
	has := "has"
	for _, k := range r.Keys {
		if k.Generation != 0 {
			has += fmt.Sprintf(" %d", k.Generation)
		}
	}
	return said + has
}

// sendsBy is what a node has in force that sends by keys of a generation; zero: it sends to nobody.
func sendsBy(generation uint64) *Encrypted {
	e := &Encrypted{}
	if generation != 0 {
		e.Devices = map[string]*Device{"d": {NodeKey: NodeKey{Generation: generation}}}
		e.Routes = map[netip.Addr]string{netip.AddrFrom4([4]byte{10, 0, 0, 1}): "d"}
	}
	return e
}

// TestRingsTurn has nodes with rings of their own, which hear of each other late and in any order, change keys: two nodes never
// come to have no generation in common, and in the end all have the same one.
func TestRingsTurn(t *testing.T) {
	const nodes = 3
	var rings [nodes]Ring
	fabric := &Fabric{Nodes: map[model.ID]Node{}}
	now := time.Unix(1000, 0)
	// Each node sends by the newest generation it has in common with another, as its plan does when all keys work.
	sends := func(i int) (oldest uint64) {
		for j := range nodes {
			common := uint64(0)
			for _, k := range rings[i].Keys {
				if _, ok := fabric.Nodes[number('n', j)].Keys.of(k.Generation); ok && j != i {
					common = max(common, k.Generation)
				}
			}
			if j != i && common != 0 && (oldest == 0 || common < oldest) {
				oldest = common
			}
		}
		return oldest
	}
	for round := range 3080 {
		i := (round * 7 / 3) % nodes
		if round%100 == 99 {
			now = now.Add(13 * time.Hour)
		}
		r, self := &rings[i], number('n', i)
		if g := r.Due(now, fabric, self, 12*time.Hour); g != 0 {
			*r = r.With(now, NodeKey{Generation: g, Key: Key{byte(i), byte(g)}})
		}
		if r.Spent(fabric, self, sendsBy(sends(i))) {
			*r = r.Without()
		}
		next := &Fabric{Nodes: maps.Clone(fabric.Nodes)}
		next.Nodes[self] = Node{ID: self, Keys: r.Keys, Sends: sends(i)}
		fabric = next
		for j := range nodes {
			if other := rings[j].Keys; other.Newest() != 0 && sends(i) == 0 && r.Keys.Newest() != 0 && j != i && round > 10 {
				t.Fatalf("round %d: nodes %d and %d have no key in common: %v %v", round, i, j, r.Keys, other)
			}
		}
	}
	if newest := rings[0].Keys.Newest(); newest < 10 || rings[1].Keys.Newest() != newest {
		t.Fatalf("keys are not changed: %v", rings)
	}
}
