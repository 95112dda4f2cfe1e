package listen

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/coreos/go-systemd/v22/activation"
)

// Options say how to listen.
type Options struct {
	// Group may use Unix sockets besides root; where there is no such group, only root may.
	Group string
	// TLS is needed for tcp hosts.
	TLS *TLS
	// InsecureTCP serves tcp hosts without TLS: whoever reaches the port has root on every node.
	InsecureTCP bool
}

// Open listens on a host: unix:///path, tcp://address:port, or fd:// for the sockets systemd passes.
func Open(host string, o Options) ([]net.Listener, error) {
	scheme, rest, _ := strings.Cut(host, "://")
	switch scheme {
	case "unix":
		l, err := openUnix(rest, o.Group)
		return one(l, err)
	case "tcp":
		l, err := openTCP(rest, o)
		return one(l, err)
	case "fd":
		return passed()
	}
	return nil, fmt.Errorf("host %q is none of unix:///path, tcp://address:port and fd://", host)
}

func one(l net.Listener, err error) ([]net.Listener, error) {
	if err != nil {
		return nil, err
	}
	return []net.Listener{l}, nil
}

// passed are the sockets of the socket unit.
func passed() ([]net.Listener, error) {
	listeners, err := activation.Listeners()
	if err != nil {
		return nil, fmt.Errorf("take the sockets systemd passes: %w", err)
	}
	var out []net.Listener
	for _, l := range listeners {
		// A descriptor that is no stream socket comes as nil.
		if l != nil {
			out = append(out, l)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("host fd:// needs sockets passed by systemd, and none were: start skep by its socket unit")
	}
	return out, nil
}

func openTCP(address string, o Options) (net.Listener, error) {
	if o.TLS == nil && !o.InsecureTCP {
		return nil, fmt.Errorf("host tcp://%s without mutual TLS would give root on every node to whoever reaches the port", address)
	}
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on tcp://%s: %w", address, err)
	}
	if o.TLS == nil {
		return l, nil
	}
	secured, err := o.TLS.secure(l)
	if err != nil {
		l.Close()
		return nil, err
	}
	return secured, nil
}
