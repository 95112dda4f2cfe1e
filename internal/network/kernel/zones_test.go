package kernel

import (
	"net"
	"net/netip"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestOnePortTowardsAllNodes: connections from one port of a client through every node lead to the same container, and
// are connections of their own.
func TestOnePortTowardsAllNodes(t *testing.T) {
	w := newWorld(t, 3)
	web := w.service(1, "ingress", "", ports(8080, 80)...)
	a := w.run(w.nodes[1], web, "ingress")
	serve(t, a.space, "a", 80)
	w.sync()
	defer w.check()
	for _, proto := range []string{"tcp", "udp"} {
		var open []net.Conn
		for _, n := range w.nodes {
			c, err := dialFrom(w.client, proto, 23456, n.underlay.String()+":8080")
			require.NoError(t, err, "%s by %s", proto, n.underlay)
			defer func() { _ = c.Close() }()
			open = append(open, c)
		}
		for range 2 {
			for i, c := range open {
				name, seen, err := say(c, patience)
				require.NoError(t, err, "%s by node %d", proto, i)
				require.Equal(t, "a", name)
				require.Equal(t, netip.MustParseAddr("192.0.2.100"), seen, "its own address is seen")
			}
		}
	}
}

// dialFrom connects from a port that others are connected from.
func dialFrom(s *space, proto string, port int, to string) (c net.Conn, err error) {
	d := net.Dialer{Timeout: patience, Control: func(_, _ string, raw syscall.RawConn) (err error) {
		failed := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) })
		if failed != nil {
			return failed
		}
		return err
	}}
	d.LocalAddr = &net.TCPAddr{Port: port}
	if proto == "udp" {
		d.LocalAddr = &net.UDPAddr{Port: port}
	}
	err = s.do(func() error {
		c, err = d.Dial(proto+"4", to)
		return err
	})
	return c, err
}
