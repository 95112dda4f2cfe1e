package remote

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/skep-org/skep/internal/env"
)

// inlet is the listener of a server behind the door.
type inlet struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newInlet() *inlet { return &inlet{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (i *inlet) put(ctx context.Context, c net.Conn) bool {
	select {
	case i.conns <- c:
		return true
	case <-i.closed:
	case <-ctx.Done():
	}
	return false
}

// Accept implements net.Listener.
func (i *inlet) Accept() (net.Conn, error) {
	select {
	case c := <-i.conns:
		return c, nil
	case <-i.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (i *inlet) Close() error {
	i.once.Do(func() { close(i.closed) })
	return nil
}

// Addr implements net.Listener.
func (i *inlet) Addr() net.Addr { return &net.TCPAddr{} }

// pause waits for d, or for the end of ctx.
func pause(ctx context.Context, clock env.Clock, d time.Duration) {
	c, stop := clock.NewTimer(d)
	defer stop()
	select {
	case <-c:
	case <-ctx.Done():
	}
}
