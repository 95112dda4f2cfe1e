package kernel

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/skep-org/skep/internal/network"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// swapTime is how long balancers are changed while they are used.
const swapTime = 2 * time.Second

// TestSwap changes what balancers spread over as fast as can be, while connections are opened through them: there is no
// moment in which one is not balanced. While a change took the rules away that it replaced, a few of ten thousand were refused.
func TestSwap(t *testing.T) {
	w := newWorld(t, 1)
	n := w.nodes[0]
	web, inner := w.service(1, "ingress", "", ports(8080, 80)...), w.service(2, "red", "10.100.2.2")
	outside, inside := swapped(t, w, web, "ingress", 80), swapped(t, w, inner, "red", 0)
	client := w.run(n, id(0), "red")
	w.sync()
	box, err := openSpace(client.path)
	require.NoError(t, err)
	defer box.close()
	host, err := n.openRules()
	require.NoError(t, err)
	own, err := box.openRules()
	require.NoError(t, err)

	k := knocker{over: make(chan struct{})}
	k.knock(t, w.client, &unix.SockaddrInet4{Addr: [4]byte{192, 0, 2, 1}, Port: 8080})
	k.knock(t, client.space, &unix.SockaddrInet4{Addr: [4]byte{10, 100, 2, 2}, Port: 80})
	changes := 0
	for began := time.Now(); time.Since(began) < swapTime; changes++ {
		for i := range 2 {
			host.publish(network.Op{Act: network.Change, Kind: network.KindPublished, Port: network.PortKey{Protocol: "tcp", Port: 8080}, Backends: outside[i]})
			require.NoError(t, host.commit())
			own.balancer(network.Op{Act: network.Change, Kind: network.KindBalancer, Addr: netip.MustParseAddr("10.100.2.2"), Backends: inside[i]})
			require.NoError(t, own.commit())
		}
	}
	close(k.over)
	k.running.Wait()
	t.Logf("%d changes of each and back, %d connections, %d failed", changes, k.opened.Load(), k.failed.Load())
	require.Positive(t, k.opened.Load())
	require.Zero(t, k.failed.Load())
	w.sync()
	w.check()
}

// swapped are two lists of backends of a service, which both have servers.
func swapped(t *testing.T, w *world, service [16]byte, net string, port uint16) (lists [2]*network.Backends) {
	t.Helper()
	var all []netip.AddrPort
	for range 3 {
		c := w.run(w.nodes[0], service, net)
		sink(t, c.space)
		all = append(all, netip.AddrPortFrom(c.addrs[net], port))
	}
	return [2]*network.Backends{network.NewBackends(all[:2:2]), network.NewBackends(all)}
}

// knocker opens connections until it is over.
type knocker struct {
	over           chan struct{}
	running        sync.WaitGroup
	opened, failed atomic.Int64
}

func (k *knocker) knock(t *testing.T, s *space, to unix.Sockaddr) {
	k.running.Go(func() {
		err := s.do(func() error {
			for {
				select {
				case <-k.over:
					return nil
				default:
				}
				if err := connect(to); err != nil {
					k.failed.Add(1)
					t.Logf("to %v: %v", to, err)
					continue
				}
				k.opened.Add(1)
			}
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// connect opens a connection and gives it up, so that nothing of it is left behind.
func connect(to unix.Sockaddr) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
		return err
	}
	return unix.Connect(fd, to)
}

// sink has a server in a namespace that takes every connection and says nothing.
func sink(t *testing.T, s *space) {
	t.Helper()
	var ln net.Listener
	require.NoError(t, s.do(func() (err error) {
		ln, err = net.Listen("tcp4", ":80")
		return err
	}))
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	})
	t.Cleanup(func() { _ = ln.Close(); wg.Wait() })
}
