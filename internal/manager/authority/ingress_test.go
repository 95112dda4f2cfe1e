package authority

import (
	"net/netip"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
	"github.com/stretchr/testify/require"
)

func TestCheckIngress(t *testing.T) {
	s := store.New()
	d := store.Direct{Store: s, Now: time.Now}
	write := func(w store.Writer, c store.Change) {
		_, _, err := d.Commit(&store.Batch{Writer: w, Changes: []store.Change{c}}).Result()
		require.NoError(t, err)
	}
	uses := func(prefix, what string) []*wire.Taken {
		raw, err := netip.MustParsePrefix(prefix).MarshalBinary()
		require.NoError(t, err)
		return []*wire.Taken{{Prefix: []byte{1}}, {Prefix: raw, What: what}}
	}
	lan := uses("10.255.3.0/24", "the route 10.255.3.0/24 on eth0")
	require.NoError(t, checkIngress(s.View(), lan), "there is no ingress network")
	id := model.NumID(3)
	write(store.WriterAPI, store.Networks.Put(&model.Network{ID: id, Name: "ingress", Spec: model.DocOf(swarm.NetworkSpec{Ingress: true})}))
	require.NoError(t, checkIngress(s.View(), lan), "it has no subnet yet")
	write(store.WriterAllocator, store.Allocations.Put(&model.Allocation{
		Owner: id, Kind: model.AllocNetwork, Done: true, Networks: []model.NetworkAddr{{NetworkID: id, Addr: netip.MustParsePrefix("10.255.0.0/16")}},
	}))
	err := checkIngress(s.View(), lan)
	require.ErrorIs(t, err, ErrRefused)
	require.ErrorContains(t, err, "10.255.0.0/16 of the cluster's ingress network overlaps the route 10.255.3.0/24 on eth0 of this host")
	require.NoError(t, checkIngress(s.View(), uses("10.254.0.0/16", "the route 10.254.0.0/16 on eth0")))
	require.NoError(t, checkIngress(s.View(), nil), "an older node does not say what it uses")
}
