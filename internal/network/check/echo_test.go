package check

import (
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestEchoesDoNotAnswerEachOther: a packet that says it comes from another node's echo would go to and fro for ever.
func TestEchoesDoNotAnswerEachOther(t *testing.T) {
	run(t, checkerAt("n2", "n2", "n3"))
	at := func(port uint16) *net.UDPConn {
		from := net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr("127.8.0.3"), port))
		c, err := net.DialUDP("udp4", from, net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr("127.8.0.2"), Port)))
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	echoed := func(c *net.UDPConn, patience time.Duration) error {
		require.NoError(t, c.SetReadDeadline(time.Now().Add(patience)))
		_, err := c.Read(make([]byte, 64))
		return err
	}
	node, echo := at(0), at(Port)
	require.Eventually(t, func() bool { // until n2 echoes
		_, err := node.Write([]byte(magic))
		return err == nil && echoed(node, 10*time.Millisecond) == nil
	}, 5*time.Second, 10*time.Millisecond)

	_, err := echo.Write([]byte(magic))
	require.NoError(t, err)
	_, err = node.Write([]byte(magic)) // packets are echoed in order
	require.NoError(t, err)
	require.NoError(t, echoed(node, 5*time.Second))
	require.ErrorIs(t, echoed(echo, 10*time.Millisecond), os.ErrDeadlineExceeded)
}
