package network

import (
	"maps"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/skep-org/skep/internal/model"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestReplanIsPlan changes random things and looks that who plans from the plan before comes to the same as who does not.
func TestReplanIsPlan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &managers{fabric: NewFabric(), t: t}
		m.fabric.Nodes, m.fabric.Networks = map[model.ID]Node{}, map[model.ID]*Network{}
		var have *Desired
		for range rapid.IntRange(1, 12).Draw(t, "rounds") {
			for range rapid.IntRange(0, 4).Draw(t, "changes") {
				m.change()
			}
			self, boxes := number('n', 0), m.boxes()
			want := Plan(m.fabric, self, boxes, Settings{})
			next := Replan(have, m.fabric, self, boxes, Settings{})
			if d := cmp.Diff(want, next, loosely...); d != "" {
				t.Fatalf("planned anew (-) and from before (+) differ:\n%s", d)
			}
			if ops := withoutFlows(Diff(want, next)); len(ops) > 0 {
				t.Fatalf("the same is different: %v", ops)
			}
			if got, all := withoutFlows(Diff(next, have)), withoutFlows(Diff(want, deepened(have))); !slices.Equal(texts(got), texts(all)) {
				t.Fatalf("what is shared is not looked through, and hides a change:\n%v\n%v", got, all)
			}
			have = next
		}
	})
}

var loosely = []cmp.Option{
	cmpopts.IgnoreUnexported(Desired{}, Segment{}, Ingress{}), cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}, netip.AddrPort{}),
	cmpopts.EquateEmpty(),
}

// deepened is the same plan without a pointer of it.
func deepened(d *Desired) *Desired {
	if d == nil {
		return nil
	}
	return Plan(d.from.fabric, d.from.self, d.from.boxes, d.from.settings)
}

func withoutFlows(ops []Op) []Op {
	return slices.DeleteFunc(ops, func(o Op) bool { return o.Kind == KindFlows })
}

func texts(ops []Op) (all []string) {
	for _, o := range ops {
		all = append(all, o.String())
	}
	return all
}

// managers change what they say as they may: no two things have one address at a time.
type managers struct {
	t      *rapid.T
	fabric *Fabric
}

func (m *managers) pick(label string, n int) int { return rapid.IntRange(0, n-1).Draw(m.t, label) }

func (m *managers) change() {
	next := *m.fabric
	next.Nodes, next.Networks = maps.Clone(next.Nodes), maps.Clone(next.Networks)
	m.fabric = &next
	if m.pick("what", 4) == 0 {
		m.changeNode()
		return
	}
	n := m.pick("network", 3)
	of := next.Networks[number('w', n)]
	if of == nil {
		subnet := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(n), 0, 0}), 16)
		of = &Network{
			ID: number('w', n), VNI: uint32(n), Subnet: subnet, Gateway: subnet.Addr().Next(), Ingress: n == 0,
			Services: map[model.ID]*Service{}, Endpoints: map[model.ID]*Endpoint{},
		}
	} else if m.pick("network goes", 20) == 0 {
		delete(next.Networks, of.ID)
		return
	}
	changed := *of
	changed.Services, changed.Endpoints = maps.Clone(of.Services), maps.Clone(of.Endpoints)
	next.Networks[of.ID] = &changed
	m.changeNetwork(&changed, byte(n))
}

func (m *managers) changeNode() {
	i := m.pick("node", 3)
	n := Node{ID: number('n', i), Underlay: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), Down: m.pick("down", 3) == 0}
	switch m.pick("node changes", 5) {
	case 0:
		delete(m.fabric.Nodes, n.ID)
		return
	case 1:
		n.Underlay = netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 10)})
	case 2:
		n.Underlay = netip.Addr{}
	}
	if m.pick("in the mesh", 4) > 0 {
		n.Ingress = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 9, byte(i)}), 16)
	}
	m.fabric.Nodes[n.ID] = n
}

func (m *managers) changeNetwork(n *Network, subnet byte) {
	i := m.pick("service", 3)
	if m.pick("kind", 3) == 0 {
		id := number('s', i)
		delete(n.Services, id)
		s := &Service{ID: id, Ports: []Port{{"tcp", uint16(80 + m.pick("port", 2)*10 + i), 80}}}
		if m.pick("vip", 3) > 0 {
			s.VIP = netip.AddrFrom4([4]byte{10, subnet, 1, byte(i)})
		}
		if m.pick("stays", 3) > 0 {
			n.Services[id] = s
		}
		return
	}
	e := m.pick("endpoint", 6)
	id := number('e', e)
	delete(n.Endpoints, id)
	if m.pick("runs", 3) > 0 {
		n.Endpoints[id] = &Endpoint{
			ID: id, Service: number('s', i), Node: number('n', m.pick("where", 3)), Addr: netip.AddrFrom4([4]byte{10, subnet, 2, byte(e)}),
			Serving: m.pick("serving", 2) == 0,
		}
	}
}

func (m *managers) boxes() []Sandbox {
	b := Sandbox{Key: "box"}
	for i := range 3 {
		if m.pick("linked", 2) == 0 {
			addr := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i), 2, byte(m.pick("address", 2))}), 16)
			b.Links = append(b.Links, Link{Endpoint: number('e', i), Network: number('w', i), Addr: addr})
		}
	}
	if m.pick("port of its own", 2) == 0 {
		b.HostPorts = []Port{{"tcp", []uint16{9000, 80, 81}[m.pick("which", 3)], 90}} // 80 and 81 may be the cluster's, too
	}
	return []Sandbox{b}
}

// TestPortOfContainerComesBack: a container's own port that the cluster publishes too is the container's again when the
// service that published it is gone, whether the plan is made anew or from the one before.
func TestPortOfContainerComesBack(t *testing.T) {
	subnet := netip.MustParsePrefix("10.0.0.0/16")
	self, mesh, web := number('n', 0), number('w', 0), number('s', 0)
	with := &Network{
		ID: mesh, Subnet: subnet, Ingress: true, Endpoints: map[model.ID]*Endpoint{},
		Services: map[model.ID]*Service{web: {ID: web, Ports: []Port{{"tcp", 80, 8080}}}},
	}
	without := *with
	without.Services = map[model.ID]*Service{}
	fabric := func(n *Network) *Fabric {
		f := NewFabric()
		f.Nodes = map[model.ID]Node{self: {ID: self, Underlay: netip.MustParseAddr("192.0.2.1"), Ingress: netip.MustParsePrefix("10.0.9.1/16")}}
		f.Networks = map[model.ID]*Network{mesh: n}
		return f
	}
	boxes := []Sandbox{{Key: "box", HostPorts: []Port{{"tcp", 80, 90}}, Links: []Link{{Network: mesh, Addr: netip.MustParsePrefix("10.0.2.1/16")}}}}
	before := Plan(fabric(with), self, boxes, Settings{})
	require.Empty(t, before.Host.Ingress.Published[PortKey{"tcp", 80}].List, "the cluster's port has nothing behind it")
	after := Replan(before, fabric(&without), self, boxes, Settings{})
	require.Equal(t, []netip.AddrPort{netip.MustParseAddrPort("10.0.2.1:90")}, after.Host.Ingress.Published[PortKey{"tcp", 80}].List)
}

func TestMark(t *testing.T) {
	for _, c := range []struct {
		subnet, node string
		mark         uint32
		ok           bool
	}{
		{"10.255.0.0/16", "10.255.0.2", 0x5CE90002, true},
		{"10.255.0.0/16", "10.255.255.254", 0x5CE9FFFE, true},
		{"10.0.0.0/8", "10.0.255.255", 0x5CE9FFFF, true},
		{"10.0.0.0/8", "10.1.0.1", 0, false},
		{"10.20.30.0/24", "10.20.30.7", 0x5CE90007, true},
	} {
		mark, ok := Mark(netip.MustParsePrefix(c.subnet), netip.MustParseAddr(c.node))
		require.Equal(t, c.ok, ok, c.node)
		if ok {
			require.Equal(t, c.mark, mark, c.node)
		}
	}
}

// TestRulesOfManyNodes: no packet meets more rules than there are groups and nodes in one.
func TestRulesOfManyNodes(t *testing.T) {
	marks := map[uint32]netip.Addr{}
	for i := uint32(1); i <= 65535; i++ {
		marks[MarkBase|i] = netip.Addr{}
	}
	at := map[uint32]int{}
	for r := range rulesFor(netip.MustParsePrefix("10.255.0.0/16"), marks) {
		at[r.Priority]++
	}
	require.Equal(t, 1, at[rulePriority])
	require.Equal(t, 256, at[groupPriority])
	delete(at, rulePriority)
	delete(at, groupPriority)
	require.Len(t, at, 256)
	require.LessOrEqual(t, slices.Max(slices.Collect(maps.Values(at))), 256)
}
