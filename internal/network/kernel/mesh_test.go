package kernel

import (
	"net/netip"
	"syscall"
	"testing"

	"github.com/skep-org/skep/internal/network"
	"github.com/stretchr/testify/require"
)

func ports(published, target uint16) []network.Port {
	return []network.Port{{Protocol: "tcp", Published: published, Target: target}, {Protocol: "udp", Published: published, Target: target}}
}

func TestMesh(t *testing.T) {
	w := newWorld(t, 3)
	web := w.service(1, "ingress", "", ports(8080, 80)...)
	w.service(2, "ingress", "", ports(8081, 80)...) // has no containers
	a, b := w.run(w.nodes[0], web, "ingress"), w.run(w.nodes[1], web, "ingress")
	other := w.run(w.nodes[1], id(0), "ingress")
	serve(t, a.space, "a", 80)
	serve(t, b.space, "b", 80)
	serve(t, other.space, "other", 80)
	w.sync()
	defer w.check()
	both := map[string]int{"a": 4, "b": 4}

	t.Run("a client from outside, by every node", func(t *testing.T) {
		for _, n := range w.nodes {
			names, seen := reach(t, w.client, n.underlay.String()+":8080", 4)
			require.Equal(t, both, names)
			require.Equal(t, netip.MustParseAddr("192.0.2.100"), seen, "its own address is seen")
		}
	})
	t.Run("every node by localhost, itself and the others", func(t *testing.T) {
		for _, n := range w.nodes {
			for _, to := range []string{"127.0.0.1", w.nodes[0].underlay.String(), w.nodes[1].underlay.String(), w.nodes[2].underlay.String()} {
				names, _ := reach(t, n.space, to+":8080", 4)
				require.Equal(t, both, names, "to %s", to)
			}
		}
	})
	t.Run("a backend by every node, also to itself", func(t *testing.T) {
		for _, n := range w.nodes {
			names, _ := reach(t, a.space, n.underlay.String()+":8080", 4)
			require.Equal(t, both, names)
		}
	})
	t.Run("a port with nothing behind it refuses", func(t *testing.T) {
		for _, s := range []*space{w.client, w.nodes[0].space, a.space} {
			for _, proto := range []string{"tcp", "udp"} {
				_, _, err := ask(s, proto, "192.0.2.1:8081", patience)
				require.ErrorIs(t, err, syscall.ECONNREFUSED, proto)
			}
		}
	})
	t.Run("containers do not reach each other but through the mesh", func(t *testing.T) {
		for _, to := range []*container{a, b} {
			_, _, err := ask(other.space, "tcp", to.addrs["ingress"].String()+":80", impatience)
			require.Error(t, err)
			require.NoError(t, other.route.RouteReplace(way(to.addrs["ingress"], w.nodes[1].ingress)))
			_, _, err = ask(other.space, "tcp", to.addrs["ingress"].String()+":80", impatience)
			require.Error(t, err, "by a route of its own")
		}
	})
	t.Run("nobody outside reaches a container's address", func(t *testing.T) {
		require.NoError(t, w.client.route.RouteAdd(way(a.addrs["ingress"], w.nodes[0].underlay)))
		_, _, err := ask(w.client, "tcp", a.addrs["ingress"].String()+":80", impatience)
		require.Error(t, err)
	})
	t.Run("a container gets out, and is seen as its node", func(t *testing.T) {
		serve(t, w.client, "client", 80)
		_, seen := reach(t, b.space, "192.0.2.100:80", 1)
		require.Equal(t, w.nodes[1].underlay, seen)
	})
	t.Run("a port of one container on its node alone", func(t *testing.T) {
		w.nodes[1].boxes[1].HostPorts = ports(9090, 80)
		w.sync()
		names, seen := reach(t, w.client, "192.0.2.2:9090", 1)
		require.Equal(t, map[string]int{"other": 2}, names)
		require.Equal(t, netip.MustParseAddr("192.0.2.100"), seen)
		_, _, err := ask(w.client, "tcp", "192.0.2.1:9090", patience)
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
	})
	t.Run("one that is withdrawn, and a node that is dead", func(t *testing.T) {
		w.serve(a, "ingress", false)
		w.sync()
		names, _ := reach(t, w.client, "192.0.2.1:8080", 2)
		require.Equal(t, map[string]int{"b": 4}, names)
		c, err := dial(w.client, "tcp", "192.0.2.3:8080", patience)
		require.NoError(t, err)
		defer func() { _ = c.Close() }()
		_, _, err = say(c, patience)
		require.NoError(t, err)
		w.serve(a, "ingress", true)
		w.serve(b, "ingress", false)
		w.sync()
		name, _, err := say(c, patience)
		require.NoError(t, err, "a connection that was open before goes on")
		require.Equal(t, "b", name)
		names, _ = reach(t, w.client, "192.0.2.3:8080", 2)
		require.Equal(t, map[string]int{"a": 4}, names)
		w.change(func(f *network.Fabric) {
			n := f.Nodes[w.nodes[1].id]
			n.Down = true
			f.Nodes[n.ID] = n
		})
		w.sync()
		_, _, err = say(c, patience)
		require.ErrorIs(t, err, syscall.ECONNRESET)
	})
}

func TestNodeLeavesTheMesh(t *testing.T) {
	w := newWorld(t, 3)
	web := w.service(1, "ingress", "", ports(8080, 80)...)
	a := w.run(w.nodes[0], web, "ingress")
	serve(t, a.space, "a", 80)
	w.sync()
	defer w.check()
	w.change(func(f *network.Fabric) { delete(f.Nodes, w.nodes[2].id) })
	gone := w.nodes[2]
	w.nodes = w.nodes[:2]
	w.sync()
	reach(t, w.client, "192.0.2.2:8080", 1)

	t.Run("its packets are dropped", func(t *testing.T) {
		_, _, err := ask(gone.space, "tcp", a.addrs["ingress"].String()+":80", impatience)
		require.Error(t, err)
		_, _, err = ask(w.client, "tcp", "192.0.2.3:8080", impatience)
		require.Error(t, err)
	})
	t.Run("back again", func(t *testing.T) {
		w.change(func(f *network.Fabric) {
			f.Nodes[gone.id] = network.Node{ID: gone.id, Underlay: gone.underlay, Ingress: netip.PrefixFrom(gone.ingress, 16)}
		})
		w.nodes = append(w.nodes, gone)
		w.sync()
		_, seen := reach(t, w.client, "192.0.2.3:8080", 1)
		require.Equal(t, netip.MustParseAddr("192.0.2.100"), seen)
	})
}

// TestUnmarkedNode: a node whose place in the ingress subnet is past all marks gives clients its own address.
func TestUnmarkedNode(t *testing.T) {
	w := newWorld(t, 2)
	w.change(func(f *network.Fabric) {
		delete(f.Networks, w.net("ingress").ID)
		for i, n := range w.nodes {
			n.ingress = netip.AddrFrom4([4]byte{10, byte(i), 0, 2})
			at := f.Nodes[n.id]
			at.Ingress = netip.PrefixFrom(n.ingress, 8)
			f.Nodes[n.id] = at
		}
	})
	w.network("ingress", netip.MustParsePrefix("10.0.0.0/8"), true)
	web := w.service(1, "ingress", "", ports(8080, 80)...)
	near, far := w.run(w.nodes[0], web, "ingress"), w.run(w.nodes[1], web, "ingress")
	serve(t, near.space, "near", 80)
	serve(t, far.space, "far", 80)
	w.sync()
	defer w.check()
	client := netip.MustParseAddr("192.0.2.100")
	for i, seen := range []netip.Addr{client, w.nodes[1].ingress} {
		names, is := reach(t, w.client, w.nodes[i].underlay.String()+":8080", 2)
		require.Equal(t, map[string]int{"near": 2, "far": 2}, names)
		require.Equal(t, seen, is)
	}
}
