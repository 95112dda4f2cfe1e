package check

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/skep-org/skep/internal/network"
	"golang.org/x/sys/unix"
)

// lookEvery is how often the echo sees whether the node's address or the others' have changed.
const lookEvery = time.Second

// Run echoes other nodes' probes until ctx ends.
func (c *Checker) Run(ctx context.Context) error {
	var e *echo
	defer func() {
		if e != nil {
			e.end()
		}
	}()
	told := ""
	for {
		f := c.cfg.Fabric()
		at := f.Nodes[c.cfg.Self].Ingress.Addr()
		if e != nil && (e.at != at || e.over()) {
			e.end()
			e = nil
		}
		if e == nil && at.IsValid() {
			next, err := newEcho(ctx, at)
			if err != nil && told != err.Error() {
				told = err.Error()
				c.cfg.Log.Warn("other nodes' probes are not echoed; it is tried again", "err", err)
			}
			if err == nil {
				e, told = next, ""
			}
		}
		if e != nil {
			e.serve(f)
		}
		timer, stop := c.cfg.Env.NewTimer(lookEvery)
		select {
		case <-ctx.Done():
			stop()
			return ctx.Err()
		case <-timer:
		}
	}
}

// echo is one open socket.
type echo struct {
	at     netip.Addr
	conn   *net.UDPConn
	peers  chan map[netip.Addr]bool // who gets an echo from now on
	fabric *network.Fabric          // what peers were last made from
	done   chan struct{}
}

func newEcho(ctx context.Context, at netip.Addr) (*echo, error) {
	lc := net.ListenConfig{Control: func(n, a string, c syscall.RawConn) (err error) {
		if err := whole(n, a, c); err != nil {
			return err
		}
		// The address may come, and come again, after the socket.
		cerr := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_FREEBIND, 1) })
		return errors.Join(err, cerr)
	}}
	pc, err := lc.ListenPacket(ctx, "udp4", netip.AddrPortFrom(at, Port).String())
	if err != nil {
		return nil, err
	}
	e := &echo{at: at, conn: pc.(*net.UDPConn), peers: make(chan map[netip.Addr]bool, 1), done: make(chan struct{})}
	go e.loop()
	return e, nil
}

// serve has the nodes of a fabric, and nobody else, get echoes.
func (e *echo) serve(f *network.Fabric) {
	if e.fabric == f {
		return
	}
	e.fabric = f
	peers := make(map[netip.Addr]bool, len(f.Nodes))
	for _, n := range f.Nodes {
		if n.Ingress.IsValid() {
			peers[n.Ingress.Addr()] = true
		}
	}
	select {
	case <-e.peers: // an older one that was not taken up
	default:
	}
	e.peers <- peers
}

func (e *echo) loop() {
	defer close(e.done)
	buf := make([]byte, 1<<16)
	peers := map[netip.Addr]bool{}
	for {
		n, from, err := e.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return // closed, or to be opened anew
		}
		select {
		case peers = <-e.peers:
		default:
		}
		// What seems to come from another echo is left: the two would answer each other for ever.
		if from.Port() != Port && peers[from.Addr().Unmap()] && bytes.HasPrefix(buf[:n], []byte(magic)) {
			_, _ = e.conn.WriteToUDPAddrPort(buf[:n], from) // who misses it asks again
		}
	}
}

func (e *echo) over() bool {
	select {
	case <-e.done:
		return true
	default:
		return false
	}
}

func (e *echo) end() {
	e.conn.Close()
	<-e.done
}
