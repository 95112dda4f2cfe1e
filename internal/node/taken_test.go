package node

import (
	"net/netip"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/network"
	"github.com/stretchr/testify/require"
)

func TestIngressFor(t *testing.T) {
	site := []network.Taken{{Prefix: netip.MustParsePrefix("10.255.0.0/16"), What: "the route 10.255.0.0/16 on eth0"}}
	pool := swarm.InitRequest{DefaultAddrPool: []netip.Prefix{netip.MustParsePrefix("10.255.0.0/16")}}
	got, err := ingressFor(swarm.InitRequest{SubnetSize: 24}, site)
	require.NoError(t, err)
	require.Equal(t, "10.254.0.0/16", got.String())
	_, err = ingressFor(pool, site)
	require.ErrorContains(t, err, "the address pool has no subnet for the ingress network that is free on this host, 10.255.0.0/20 overlaps the route 10.255.0.0/16 on eth0")
	got, err = ingressFor(pool, nil)
	require.NoError(t, err)
	require.Equal(t, "10.255.0.0/20", got.String())
}
