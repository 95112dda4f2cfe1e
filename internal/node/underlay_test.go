package node

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUnderlay(t *testing.T) {
	own, other := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("203.0.113.9")
	for _, c := range []struct {
		name                string
		advertise, dataPath string
		known               netip.Addr
		found               netip.Addr
		said                string
	}{
		{"the advertised address is the host's", "127.0.0.1:2377", "", other, own, "127.0.0.1"},
		{"it is not any more", "203.0.113.9:2377", "", own, own, ""},
		{"nor is the one that the managers see", "203.0.113.9:2377", "", other, netip.Addr{}, ""},
		{"named by the user", "203.0.113.9:2377", "127.0.0.1", other, own, "127.0.0.1"},
		{"named, and away just now", "127.0.0.1:2377", "203.0.113.9", own, netip.Addr{}, "203.0.113.9"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ms := membership{AdvertiseAddr: c.advertise, DataPathAddr: c.dataPath}
			got := ms.underlay(c.known)
			require.Equal(t, c.found, got.Underlay)
			require.Equal(t, c.found.IsValid(), got.MTU > 0)
			require.Equal(t, c.said, ms.reachedAt())
		})
	}
}
