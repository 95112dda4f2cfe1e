package engine

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// DialContext connects from inside the engine's network: with PrivateNetwork that is where its published ports and its
// containers' addresses are. The address must be numeric. It fits http.Transport.DialContext.
func (e *Engine) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return DialIn(ctx, e.NetNS(), network, address)
}

// DialIn connects from inside another network namespace, given by the path of its file. The address must be numeric.
func DialIn(ctx context.Context, netns, network, address string) (net.Conn, error) {
	if _, err := netip.ParseAddrPort(address); err != nil {
		return nil, fmt.Errorf("dialling in another network: %q is not a numeric address with a port: %w", address, err)
	}
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result, 1)
	go func() {
		conn, err := dialIn(ctx, netns, network, address)
		done <- result{conn, err}
	}()
	r := <-done
	return r.conn, r.err
}

// dialIn makes a socket on a thread moved to another network namespace. A single numeric address is dialled on the
// calling goroutine, hence on that thread. The thread is not given back: it ends with the goroutine, so that no other
// code can ever run on a thread in the wrong namespace.
func dialIn(ctx context.Context, netns, network, address string) (net.Conn, error) {
	runtime.LockOSThread()
	ns, err := os.Open(netns)
	if err != nil {
		return nil, fmt.Errorf("opening the network: %w", err)
	}
	defer func() { _ = ns.Close() }()
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("entering the network: %w", err)
	}
	var d net.Dialer
	return d.DialContext(ctx, network, address)
}
