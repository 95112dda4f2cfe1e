package network

import (
	"net/netip"
	"testing"

	"github.com/skep-org/skep/internal/wire"
	"github.com/stretchr/testify/require"
)

func bytesOf(t *testing.T, marshal func() ([]byte, error)) []byte {
	t.Helper()
	b, err := marshal()
	require.NoError(t, err)
	return b
}

// told is a full message: two nodes, one network with a service and two endpoints.
func told(t *testing.T) *wire.Fabric {
	t.Helper()
	addr := func(s string) []byte { return bytesOf(t, netip.MustParseAddr(s).MarshalBinary) }
	prefix := func(s string) []byte { return bytesOf(t, netip.MustParsePrefix(s).MarshalBinary) }
	red, web, n1, n2 := number('w', 1), number('s', 1), number('n', 1), number('n', 2)
	e1, e2 := number('e', 1), number('e', 2)
	return &wire.Fabric{
		Full: true, Epoch: 1, Version: 10, DataPort: 4790,
		Nodes: []*wire.FabricNode{
			{Id: n1[:], Underlay: addr("192.0.2.1"), Ingress: prefix("10.255.0.2/16")}, {Id: n2[:], Underlay: addr("192.0.2.2"), Down: true},
		},
		Networks: []*wire.FabricNetwork{{
			Id: red[:], Full: true,
			Network: &wire.Network{
				Id: red[:], Name: "red", Vni: 4096, Subnet: prefix("10.100.2.0/24"), Gateway: addr("10.100.2.1"),
				Spec: []byte(`{"Internal":true,"DriverConfiguration":{"Options":{"com.docker.network.driver.mtu":"1400"}}}`),
			},
			Services: []*wire.FabricService{{
				Id: web[:], Name: "web", Vip: addr("10.100.2.9"), Aliases: []string{"www"},
				Ports: []*wire.Port{{Protocol: "tcp", Published: 8080, Target: 80}},
			}},
			Endpoints: []*wire.Endpoint{
				{Id: e1[:], ServiceId: web[:], NodeId: n1[:], Addr: addr("10.100.2.11"), Serving: true, Names: []string{"web.1"}},
				{Id: e2[:], NodeId: n2[:], Addr: addr("10.100.2.12"), Serving: true},
			},
		}},
	}
}

func TestApply(t *testing.T) {
	first, err := NewFabric().Apply(told(t))
	require.NoError(t, err)
	require.Equal(t, uint16(4790), first.Port)
	require.Equal(t, Node{ID: number('n', 2), Underlay: netip.MustParseAddr("192.0.2.2"), Down: true}, first.Nodes[number('n', 2)])
	red := first.Networks[number('w', 1)]
	require.Equal(t, 1400, red.MTU)
	require.True(t, red.Internal)
	require.Equal(t, []Port{{"tcp", 8080, 80}}, red.Services[number('s', 1)].Ports)
	backends := changesOf(nil, red).services
	require.Len(t, backends, 1, "a guest is no backend")
	require.Equal(t, netip.MustParseAddr("10.100.2.11"), backends[number('s', 1)][0].Addr)

	t.Run("a change shares what it does not change, and leaves the one before as it was", func(t *testing.T) {
		e2, w1 := number('e', 2), number('w', 1)
		next, err := first.Apply(&wire.Fabric{Epoch: 1, Version: 11, DataPort: 4790, Networks: []*wire.FabricNetwork{{Id: w1[:], GoneEndpoints: [][]byte{e2[:]}}}})
		require.NoError(t, err)
		require.Len(t, next.Networks[w1].Endpoints, 1)
		require.Len(t, red.Endpoints, 2)
		require.Same(t, red.Endpoints[number('e', 1)], next.Networks[w1].Endpoints[number('e', 1)])
		require.Equal(t, red.Name, next.Networks[w1].Name)
	})
	t.Run("a network that is not named stays the same pointer", func(t *testing.T) {
		next, err := first.Apply(&wire.Fabric{Epoch: 1, Version: 11, DataPort: 4790})
		require.NoError(t, err)
		require.Same(t, red, next.Networks[number('w', 1)])
	})
	t.Run("all of it again forgets what is not in it", func(t *testing.T) {
		next, err := first.Apply(&wire.Fabric{Full: true, Epoch: 2, Version: 1})
		require.NoError(t, err)
		require.Empty(t, next.Networks)
		require.Empty(t, next.Nodes)
		require.Equal(t, uint16(DefaultPort), next.Port)
	})
	t.Run("what is gone goes", func(t *testing.T) {
		n2, w1 := number('n', 2), number('w', 1)
		next, err := first.Apply(&wire.Fabric{Epoch: 1, Version: 12, GoneNodes: [][]byte{n2[:]}, GoneNetworks: [][]byte{w1[:]}})
		require.NoError(t, err)
		require.Len(t, next.Nodes, 1)
		require.Empty(t, next.Networks)
	})
	t.Run("it is kept and read back", func(t *testing.T) {
		again, err := NewFabric().Apply(first.Message())
		require.NoError(t, err)
		require.Equal(t, first, again)
	})
}

func TestApplyRefuses(t *testing.T) {
	first, err := NewFabric().Apply(told(t))
	require.NoError(t, err)
	w9 := number('w', 9)
	for _, c := range []struct {
		name, says string
		m          *wire.Fabric
	}{
		{"an older version", "older state", &wire.Fabric{Epoch: 1, Version: 9}},
		{"an older epoch", "older state", &wire.Fabric{Full: true, Epoch: 0, Version: 99}},
		{"a network without its description", "comes without its description",
			&wire.Fabric{Epoch: 1, Version: 11, Networks: []*wire.FabricNetwork{{Id: w9[:]}}}},
		{"an id that is none", "id", &wire.Fabric{Epoch: 1, Version: 11, GoneNodes: [][]byte{{1, 2}}}},
		{"an address that is none", "slice", &wire.Fabric{Epoch: 1, Version: 11, Nodes: []*wire.FabricNode{{Id: w9[:], Underlay: []byte{1}}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := first.Apply(c.m)
			require.ErrorContains(t, err, c.says)
		})
	}
}

func TestLinkNames(t *testing.T) {
	name := LinkName(number('w', 1), number('e', 1))
	require.Len(t, name, 15, "the kernel takes no more")
	require.NotEqual(t, name, LinkName(number('w', 2), number('e', 1)))
	require.Len(t, PeerName(name), 15)
	require.Len(t, PassingName(number('w', 1)), 15)
	require.Equal(t, "02:42:0a:64:02:0b", MAC(netip.MustParseAddr("10.100.2.11")).String())
}
