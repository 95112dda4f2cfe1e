package kernel

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
)

func touch(path string) error { return os.WriteFile(path, nil, 0o600) }

// patience is for answers that must come; impatience for those that must not.
const (
	patience   = 3 * time.Second
	impatience = 200 * time.Millisecond
)

// serve has a server in a namespace that says its name and whom it sees, to each line by TCP and each packet by UDP.
func serve(t *testing.T, s *space, name string, port uint16) {
	t.Helper()
	var ln net.Listener
	var pc net.PacketConn
	require.NoError(t, s.do(func() (err error) {
		if ln, err = net.Listen("tcp4", fmt.Sprintf(":%d", port)); err == nil {
			pc, err = net.ListenPacket("udp4", fmt.Sprintf(":%d", port))
		}
		return err
	}))
	var wg sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[c] = true
			mu.Unlock()
			wg.Go(func() { answer(c, name) })
		}
	})
	wg.Go(func() {
		buf := make([]byte, 64)
		for {
			_, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = pc.WriteTo([]byte(name+" "+from.String()), from)
		}
	})
	t.Cleanup(func() {
		_, _ = ln.Close(), pc.Close()
		mu.Lock()
		for c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
}

func answer(c net.Conn, name string) {
	r := bufio.NewReader(c)
	for {
		if _, err := r.ReadString('\n'); err != nil {
			return
		}
		if _, err := fmt.Fprintf(c, "%s %s\n", name, c.RemoteAddr()); err != nil {
			return
		}
	}
}

// nextPort is where UDP packets are sent from: each time from another port, for the kernel goes on with the connection
// that it knows of one that was used a moment ago.
var nextPort atomic.Uint32

// dial opens a connection from a namespace.
func dial(s *space, proto, to string, wait time.Duration) (c net.Conn, err error) {
	dialer := net.Dialer{Timeout: wait}
	if proto == "udp" {
		dialer.LocalAddr = &net.UDPAddr{Port: int(10000 + nextPort.Add(1)%20000)}
	}
	err = s.do(func() error {
		c, err = dialer.Dial(proto+"4", to)
		return err
	})
	return c, err
}

// say sends on a connection and returns who answered and whom it saw.
func say(c net.Conn, wait time.Duration) (name string, seen netip.Addr, err error) {
	if err := c.SetDeadline(time.Now().Add(wait)); err != nil {
		return "", seen, err
	}
	if _, err := io.WriteString(c, "hello\n"); err != nil {
		return "", seen, err
	}
	buf := make([]byte, 128)
	n, err := c.Read(buf)
	if err != nil {
		return "", seen, err
	}
	who, from, _ := strings.Cut(strings.TrimSpace(string(buf[:n])), " ")
	at, err := netip.ParseAddrPort(from)
	return who, at.Addr(), err
}

// ask opens a connection, says one thing and closes it.
func ask(s *space, proto, to string, wait time.Duration) (name string, seen netip.Addr, err error) {
	c, err := dial(s, proto, to, wait)
	if err != nil {
		return "", seen, err
	}
	defer func() { _ = c.Close() }()
	return say(c, wait)
}

// reach asks several times by TCP and UDP and returns who answered each, and that all saw the same client.
func reach(t *testing.T, s *space, to string, times int) (names map[string]int, seen netip.Addr) {
	t.Helper()
	names = map[string]int{}
	for _, proto := range []string{"tcp", "udp"} {
		for range times {
			name, from, err := ask(s, proto, to, patience)
			require.NoError(t, err, "%s to %s", proto, to)
			names[name]++
			if seen.IsValid() {
				require.Equal(t, seen, from, "%s to %s", proto, to)
			}
			seen = from
		}
	}
	return names, seen
}

// pinned is an open connection to one backend of a virtual address.
func pinned(t *testing.T, s *space, proto, backend string) net.Conn {
	t.Helper()
	for range 10 {
		c, err := dial(s, proto, "10.100.2.9:80", patience)
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
		name, _, err := say(c, patience)
		require.NoError(t, err)
		if name == backend {
			return c
		}
	}
	t.Fatalf("no connection led to %s", backend)
	return nil
}

// way is a route to one address by another.
func way(to, via netip.Addr) *netlink.Route {
	return &netlink.Route{Dst: ipNet(netip.PrefixFrom(to, 32)), Gw: via.AsSlice()}
}

func netipPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func number(n uint32) string { return strconv.FormatUint(uint64(n), 10) }
