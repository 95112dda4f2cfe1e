package network

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func takenBy(prefixes ...string) (all []Taken) {
	for _, p := range prefixes {
		all = append(all, Taken{netip.MustParsePrefix(p), "the route " + p})
	}
	return all
}

func TestChooseIngress(t *testing.T) {
	for want, taken := range map[string][]string{
		"10.255.0.0/16":  {"192.0.2.0/24", "10.254.0.0/16", "172.17.0.0/16"},
		"10.254.0.0/16":  {"10.255.3.7/32"},
		"10.253.0.0/16":  {"10.254.0.0/15"},
		"172.31.0.0/16":  {"10.0.0.0/8"},
		"198.19.0.0/16":  {"10.0.0.0/8", "172.16.0.0/12"},
		"100.127.0.0/16": {"10.0.0.0/8", "172.16.0.0/12", "198.18.0.0/15"},
	} {
		got, err := ChooseIngress(takenBy(taken...))
		require.NoError(t, err)
		require.Equal(t, want, got.String(), "%v", taken)
	}
	_, err := ChooseIngress(takenBy("0.0.0.0/1", "128.0.0.0/1"))
	require.EqualError(t, err, "no subnet for the ingress network is free on this host, 10.255.0.0/16 overlaps the route 0.0.0.0/1: name one with --default-addr-pool")
}

func TestCutIngress(t *testing.T) {
	pools := []netip.Prefix{netip.MustParsePrefix("10.20.0.0/22"), netip.MustParsePrefix("10.30.0.0/16")}
	for want, taken := range map[string][]string{
		"10.20.0.0/24": {"10.20.3.0/24"},
		"10.20.2.0/24": {"10.20.0.9/32", "10.20.1.0/25"},
		"10.30.0.0/24": {"10.20.0.0/16"},
	} {
		got, err := CutIngress(pools, 24, takenBy(taken...))
		require.NoError(t, err)
		require.Equal(t, want, got.String(), "%v", taken)
	}
	_, err := CutIngress(pools, 24, takenBy("10.0.0.0/8"))
	require.ErrorContains(t, err, "10.20.0.0/24 overlaps the route 10.0.0.0/8: name another one")
	got, err := CutIngress(pools, 8, takenBy("10.0.0.0/8"))
	require.NoError(t, err, "a pool that is too small is the allocator's to refuse")
	require.False(t, got.IsValid())
}
