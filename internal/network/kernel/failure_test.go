package kernel

import (
	"testing"

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
