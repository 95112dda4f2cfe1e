package kernel

import (
	"net/netip"
	"testing"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// sixth has the nodes reach each other by IPv6 alone.
func (w *world) sixth() {
	w.t.Helper()
	for i, n := range w.nodes {
		eth, err := n.link("eth0")
		require.NoError(w.t, err)
		n.underlay = netip.AddrFrom16([16]byte{0xfd, 0x77, 15: byte(i + 1)})
		require.NoError(w.t, n.route.AddrReplace(eth, &netlink.Addr{IPNet: ipNet(netip.PrefixFrom(n.underlay, 64)), Flags: unix.IFA_F_NODAD}))
		w.change(func(f *network.Fabric) {
			at := f.Nodes[n.id]
			at.Underlay = n.underlay
			f.Nodes[n.id] = at
		})
	}
}

// TestOverIPv6 has overlays, the mesh and encrypted networks between nodes that reach each other by IPv6.
func TestOverIPv6(t *testing.T) {
	w := newWorld(t, 2)
	w.sixth()
	w.sealed("red2", "10.100.4.0/24")
	web := w.service(1, "ingress", "", ports(8080, 80)...)
	a, b := w.run(w.nodes[0], model.ID{}, "red"), w.run(w.nodes[1], model.ID{}, "red")
	c, d := w.run(w.nodes[0], model.ID{}, "red2"), w.run(w.nodes[1], model.ID{}, "red2")
	e := w.run(w.nodes[0], web, "ingress")
	for _, one := range []*container{a, c, e} {
		serve(t, one.space, "served", 80)
	}
	w.sync()
	defer w.check()
	for from, to := range map[*container]netip.Addr{b: a.addrs["red"], d: c.addrs["red2"]} {
		for _, proto := range []string{"tcp", "udp"} {
			_, seen, err := ask(from.space, proto, to.String()+":80", patience)
			require.NoError(t, err)
			require.Contains(t, []netip.Addr{b.addrs["red"], d.addrs["red2"]}, seen)
		}
	}
	require.True(t, fits(t, b, a.addrs["red"], 1500-network.OverheadV6))
	require.True(t, fits(t, d, c.addrs["red2"], 1500-network.EncryptedOverheadV6))
	require.False(t, fits(t, d, c.addrs["red2"], 1501-network.EncryptedOverheadV6))
	_, seen := reach(t, w.client, "192.0.2.2:8080", 2)
	require.Equal(t, netip.MustParseAddr("192.0.2.100"), seen, "a client's own address is seen")

	t.Run("strangers' packets are not taken", func(t *testing.T) {
		w.change(func(f *network.Fabric) { delete(f.Nodes, w.nodes[1].id) })
		w.nodes[0].sync()
		_, _, err := ask(b.space, "udp", a.addrs["red"].String()+":80", impatience)
		require.Error(t, err)
		w.change(func(f *network.Fabric) {
			f.Nodes[w.nodes[1].id] = network.Node{ID: w.nodes[1].id, Underlay: w.nodes[1].underlay, Ingress: netip.PrefixFrom(w.nodes[1].ingress, 16), Keys: w.nodes[1].own.Keys}
		})
		w.sync()
		_, _, err = ask(b.space, "udp", a.addrs["red"].String()+":80", patience)
		require.NoError(t, err)
	})
	t.Run("rules that are gone are missed", func(t *testing.T) {
		w.nodes[0].exec("nft", "flush", "ruleset")
		drift, err := w.nodes[0].k.Audit(t.Context(), w.nodes[0].plan())
		require.NoError(t, err)
		require.NotEmpty(t, drift)
		w.nodes[0].firewall()
		w.sync()
	})
	t.Run("back to IPv4", func(t *testing.T) {
		for i, n := range w.nodes {
			n.underlay = netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)})
			w.change(func(f *network.Fabric) {
				at := f.Nodes[n.id]
				at.Underlay = n.underlay
				f.Nodes[n.id] = at
			})
		}
		w.sync()
		w.check()
		_, _, err := ask(b.space, "tcp", a.addrs["red"].String()+":80", patience)
		require.NoError(t, err)
	})
}
