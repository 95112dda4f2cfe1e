package kernel

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestForwardingStays: skep began before the engine, which then found forwarding turned on and relies on it.
func TestForwardingStays(t *testing.T) {
	w, _, _ := busy(t)
	n := w.nodes[0]
	require.NoError(t, n.k.Purge(context.Background()))
	require.NoError(t, n.setSysctls([][2]string{{forwarding, "0"}, {"net/ipv4/conf/all/send_redirects", "1"}}))
	n.sync()
	is, err := n.sysctls([]string{forwarding})
	require.NoError(t, err)
	require.Equal(t, "1", is[forwarding])
	require.NoError(t, n.k.Purge(context.Background()))
	is, err = n.sysctls([]string{forwarding, "net/ipv4/conf/all/send_redirects"})
	require.NoError(t, err)
	require.Equal(t, map[string]string{forwarding: "1", "net/ipv4/conf/all/send_redirects": "1"}, is)
}

// TestForwardingTurnedOnIsClosed: on a host that forwarded nothing, before the engine has started.
func TestForwardingTurnedOnIsClosed(t *testing.T) {
	for was, policy := range map[string]string{"0": "-P FORWARD DROP", "1": "-P FORWARD ACCEPT"} {
		w := newWorld(t, 1)
		n := w.nodes[0]
		n.exec("iptables", "-P", "FORWARD", "ACCEPT")
		require.NoError(t, n.setSysctls([][2]string{{forwarding, was}}))
		n.sync()
		require.Contains(t, n.exec("iptables", "-S", "FORWARD"), policy, "forwarding was %s", was)
		// Who opens it later, means it.
		n.exec("iptables", "-P", "FORWARD", "ACCEPT")
		require.NoError(t, n.setSysctls([][2]string{{forwarding, "0"}}))
		_, err := n.k.Audit(t.Context(), n.plan())
		require.NoError(t, err)
		n.sync()
		is, err := n.sysctls([]string{forwarding})
		require.NoError(t, err)
		require.Equal(t, "1", is[forwarding])
		require.Contains(t, n.exec("iptables", "-S", "FORWARD"), "-P FORWARD ACCEPT")
	}
}
