package kernel

import (
	"maps"
	"testing"

	"github.com/skep-org/skep/internal/network"
	"github.com/stretchr/testify/require"
)

// TestOneNetworkFails: another program has the number of a network's VXLAN. Everything else works, the error names it, and
// all is well once it is free.
func TestOneNetworkFails(t *testing.T) {
	for _, failing := range []string{"red", "ingress"} {
		t.Run(failing, func(t *testing.T) {
			w := newWorld(t, 2)
			n := w.nodes[0]
			n.exec("ip", "link", "add", "flannel", "type", "vxlan", "id", number(w.net(failing).VNI), "dstport", "4789", "local", n.underlay.String())
			web := w.service(1, "red", "10.100.2.9")
			w.service(2, "ingress", "", ports(8081, 80)...)
			near := w.run(n, web, "red")
			other := w.run(n, web, "red")
			serve(t, near.space, "near", 80)
			serve(t, other.space, "near", 80)
			for range 3 {
				err := n.k.Sync(t.Context(), n.plan())
				require.ErrorContains(t, err, "a VXLAN with number "+number(w.net(failing).VNI)+" on port 4789")
				require.NotErrorIs(t, err, ErrNotYet)
			}
			names, _ := reach(t, near.space, "10.100.2.9:80", 2)
			require.Equal(t, map[string]int{"near": 4}, names)
			require.Contains(t, n.exec("nft", "list", "table", "ip", "skep"), "@members drop")
			n.exec("ip", "link", "del", "flannel")
			w.sync()
			w.check()
		})
	}
}

// TestEndedOnTheWay: a process was ended when it had made the VXLAN of a network and not brought it to its namespace. The
// network is gone since, and another one has its number.
func TestEndedOnTheWay(t *testing.T) {
	w := newWorld(t, 1)
	n := w.nodes[0]
	w.run(n, w.service(1, "red", "10.100.2.9"), "red")
	n.exec("ip", "link", "add", "skvx0123456789a", "type", "vxlan", "id", number(w.net("red").VNI), "dstport", "4789", "local", n.underlay.String())
	w.sync()
	w.check()
}

// TestOneContainerFails: what runs in a container has changed its rules so that a balancer cannot be taken away. All
// others are as they should be, and the container's rules are made anew.
func TestOneContainerFails(t *testing.T) {
	for name, harm := range map[string][]string{
		"a chain of its own": {"add chain ip skep mine", "add rule ip skep mine jump vip_10.100.2.9"},
		"a map, which nobody sees": {
			"add map ip skep mine { type ipv4_addr : verdict ; }", "add element ip skep mine { 192.0.2.9 : jump vip_10.100.2.9 }",
		},
	} {
		for _, audited := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				w, a, _ := busy(t)
				n := w.nodes[0]
				other := w.run(n, id(0), "red")
				w.sync()
				for _, line := range harm {
					a.exec(t, "nft", line)
				}
				w.on("red", func(n *network.Network) {
					s := maps.Clone(n.Services)
					for id, svc := range s {
						next := *svc
						next.VIP = next.VIP.Next()
						s[id] = &next
					}
					n.Services = s
				})
				err := n.k.Sync(t.Context(), n.plan())
				var of *BoxError
				require.ErrorAs(t, err, &of)
				require.Equal(t, []string{a.path}, of.Boxes)
				require.ErrorContains(t, err, a.path)
				require.False(t, n.k.Programmed(a.path))
				require.True(t, n.k.Programmed(other.path))
				names, _ := reach(t, other.space, "10.100.2.10:80", 1)
				require.Len(t, names, 2)
				if audited {
					drifts, err := n.k.Audit(t.Context(), n.plan())
					require.NoError(t, err)
					require.NotEmpty(t, drifts)
				}
				w.sync()
				require.True(t, n.k.Programmed(a.path))
				require.NotContains(t, a.exec(t, "nft", "list", "table", "ip", "skep"), "mine")
				names, _ = reach(t, a.space, "10.100.2.10:80", 1)
				require.Len(t, names, 2)
				w.check()
			})
		}
	}
}

// TestOneContainerCannotBeMended: it has lost its link, and does not let its new one be set up.
func TestOneContainerCannotBeMended(t *testing.T) {
	w, a, b := busy(t)
	n := w.nodes[0]
	a.exec(t, "ip", "rule", "add", "pref", "1", "prohibit")
	a.exec(t, "ip", "link", "del", "eth1")
	drifts, err := n.k.Audit(t.Context(), n.plan())
	require.NoError(t, err)
	require.NotEmpty(t, drifts)
	w.on("ingress", func(n *network.Network) { delete(n.Endpoints, b.id) })
	for range 2 {
		err = n.k.Sync(t.Context(), n.plan())
		var of *BoxError
		require.ErrorAs(t, err, &of)
		require.Equal(t, []string{a.path}, of.Boxes)
		require.NotContains(t, n.exec("ip", "route"), b.addrs["ingress"].String()+" via")
	}
	a.exec(t, "ip", "rule", "del", "pref", "1")
	n.sync()
	require.Contains(t, a.exec(t, "ip", "route"), "default")
	drifts, err = n.k.Audit(t.Context(), n.plan())
	require.NoError(t, err)
	require.Empty(t, drifts)
}
