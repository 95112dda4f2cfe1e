package authority

import (
	"cmp"
	"net/netip"

	"github.com/skep-org/skep/internal/store"
)

// checkFamily refuses a node whose overlay packets would go by another version of IP than those of the nodes there are: an
// interface that carries overlays sends by one of them alone.
func checkFamily(v store.View, raw []byte) error {
	var own netip.Addr
	if own.UnmarshalBinary(raw) != nil || !own.IsValid() {
		return nil // an older build does not say
	}
	own = own.Unmap()
	for st := range store.NodeStates.All(v) {
		addr, err := netip.ParseAddr(cmp.Or(st.DataAddr, st.Addr))
		if addr = addr.Unmap(); err != nil || addr.Is4() == own.Is4() {
			continue
		}
		return refuse("this node is reached at %s (%s), and nodes of the cluster at addresses like %s (%s): overlay networks go by one version of IP between all nodes; join with an --advertise-addr or --data-path-addr of the cluster's kind",
			own, version(own), addr, version(addr))
	}
	return nil
}

func version(a netip.Addr) string {
	if a.Is4() {
		return "IPv4"
	}
	return "IPv6"
}
