package kernel

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/skep-org/skep/internal/network"
	"github.com/stretchr/testify/require"
)

// TestForget: connections are found by the kernel, and by reading all of them where it cannot.
func TestForget(t *testing.T) {
	w := newWorld(t, 1)
	web := w.service(1, "red", "10.100.2.9")
	a, caller := w.run(w.nodes[0], web, "red"), w.run(w.nodes[0], id(0), "red")
	serve(t, a.space, "a", 80)
	w.sync()
	r, err := caller.openRules()
	require.NoError(t, err)
	open := func() uint32 {
		reach(t, caller.space, "10.100.2.9:80", 2)
		n, err := r.connections()
		require.NoError(t, err)
		return n
	}
	count := func() uint32 {
		n, err := r.connections()
		require.NoError(t, err)
		return n
	}
	gone, other := map[netip.Addr]struct{}{a.addrs["red"]: {}}, map[netip.Addr]struct{}{netip.MustParseAddr("10.100.2.77"): {}}
	require.EqualValues(t, 4, open())
	if !r.forgetEach(other) {
		t.Log("this kernel does not select connections by their end")
	} else {
		require.EqualValues(t, 4, count())
		require.True(t, r.forgetEach(gone))
		require.Zero(t, count())
		open()
	}
	n := count()
	require.NoError(t, caller.search(toGone{{Subnet: overlaySubnet, Gone: other}}))
	require.NoError(t, caller.search(toGone{{Subnet: overlaySubnet, Alive: gone}}))
	require.NoError(t, caller.search(toGone{{Subnet: ingressSubnet, Alive: other}}))
	require.Equal(t, n, count())
	require.NoError(t, caller.search(toGone{{Subnet: overlaySubnet, Alive: other}}))
	require.Zero(t, count())
	open()
	require.NoError(t, caller.forget([]network.Op{{Kind: network.KindFlows, Flows: &network.Flows{Gone: gone}}}))
	require.Zero(t, count())
}

// TestCannotForget: the kernel lacks what connections are forgotten by. All else is done.
func TestCannotForget(t *testing.T) {
	w, a, b := busy(t)
	n := w.nodes[0]
	n.k.forgets = func(*space, []network.Op) error { return errors.New("protocol not supported") }
	w.on("red", func(n *network.Network) { delete(n.Endpoints, b.id) })
	w.on("ingress", func(n *network.Network) { delete(n.Endpoints, b.id) })
	n.sync()
	require.Equal(t, 2, n.k.Kept(), "in the host and in the container")
	require.True(t, n.k.Programmed(a.path))
	names, _ := reach(t, a.space, "10.100.2.9:80", 2)
	require.Equal(t, map[string]int{"a": 4}, names)
}

// TestCarriersAreNotTracked: what hosts send each other of overlays is no connection of theirs.
func TestCarriersAreNotTracked(t *testing.T) {
	w := newWorld(t, 2)
	web := w.service(1, "red", "10.100.2.9")
	a, caller := w.run(w.nodes[0], web, "red"), w.run(w.nodes[1], id(0), "red")
	serve(t, a.space, "a", 80)
	w.sync()
	reach(t, caller.space, "10.100.2.9:80", 2)
	for _, n := range w.nodes {
		r, err := n.k.host.openRules()
		require.NoError(t, err)
		tracked, err := r.connections()
		require.NoError(t, err)
		require.Zero(t, tracked, "in %s", n.path)
	}
}
