package authority

import (
	"net/netip"
	"testing"
	"time"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/stretchr/testify/require"
)

func TestCheckFamily(t *testing.T) {
	s := store.New()
	d := store.Direct{Store: s, Now: time.Now}
	at := func(addr string) []byte {
		raw, err := netip.MustParseAddr(addr).MarshalBinary()
		require.NoError(t, err)
		return raw
	}
	require.NoError(t, checkFamily(s.View(), at("2001:db8::7")), "there is no node yet")
	state := &model.NodeState{ID: model.NumID(3), Addr: "192.0.2.1", DataAddr: "2001:db8::1"}
	_, _, err := d.Commit(&store.Batch{Writer: store.WriterDispatcher, Changes: []store.Change{store.NodeStates.Put(state)}}).Result()
	require.NoError(t, err)
	require.NoError(t, checkFamily(s.View(), at("2001:db8::7")), "what carries overlays counts")
	require.NoError(t, checkFamily(s.View(), nil), "an older build does not say")
	err = checkFamily(s.View(), at("::ffff:192.0.2.2"))
	require.ErrorIs(t, err, ErrRefused)
	require.ErrorContains(t, err, "this node is reached at 192.0.2.2 (IPv4), and nodes of the cluster at addresses like 2001:db8::1 (IPv6)")
}
