package kernel

import (
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestNobodyIsRefusedNames: no daemon listens at the gateway. Who asks hears nothing, and asks again.
func TestNobodyIsRefusedNames(t *testing.T) {
	w := newWorld(t, 1)
	n := w.nodes[0]
	a := w.run(n, id(0), "red")
	w.sync()
	gateway := w.net("red").Gateway
	red, err := n.k.space(w.net("red").ID)
	require.NoError(t, err)
	refused := func(proto string) (is bool) {
		t.Helper()
		require.NoError(t, a.do(func() error {
			c, err := net.DialTimeout(proto, net.JoinHostPort(gateway.String(), "53"), impatience)
			if err != nil {
				is = errors.Is(err, syscall.ECONNREFUSED)
				return nil
			}
			defer func() { _ = c.Close() }()
			_ = c.SetDeadline(time.Now().Add(impatience))
			if _, err := c.Write([]byte("names?")); err != nil {
				return err
			}
			_, err = c.Read(make([]byte, 16))
			is = errors.Is(err, syscall.ECONNREFUSED)
			require.True(t, is || errors.Is(err, os.ErrDeadlineExceeded), "%v", err)
			return nil
		}))
		return is
	}
	require.False(t, refused("udp4"))
	require.False(t, refused("tcp4"))
	w.check()

	red.exec(t, "nft", "flush", "ruleset")
	require.True(t, refused("udp4"))
	require.True(t, refused("tcp4"))
	drift, err := n.k.Audit(t.Context(), n.plan())
	require.NoError(t, err)
	require.NotEmpty(t, drift)
	n.sync()
	require.False(t, refused("udp4"))
	require.False(t, refused("tcp4"))
	w.check()
}
