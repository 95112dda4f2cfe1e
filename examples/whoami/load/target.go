package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// target is one place that is asked.
type target struct {
	url        string
	network    string // tcp or udp
	host, port string
	path       string
	idle       chan *conn
}

func newTarget(raw string, idle int) (*target, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("reading the target: %w", err)
	}
	t := &target{url: raw, host: u.Hostname(), port: u.Port(), path: u.RequestURI(), idle: make(chan *conn, idle)}
	switch u.Scheme {
	case "http":
		t.network = "tcp"
		if t.port == "" {
			t.port = "80"
		}
	case "udp":
		t.network = "udp"
	default:
		return nil, fmt.Errorf("the target %q is neither http://… nor udp://…", raw)
	}
	if t.host == "" || t.port == "" {
		return nil, fmt.Errorf("the target %q lacks a name or a port", raw)
	}
	return t, nil
}

// answer is what a server said: the name it gives itself, and whom it takes the asker for.
type answer struct {
	who, remote string
	bytes       int64
	reused      bool // over a connection that was kept
	again       bool // the connection may be kept
}

// ask sends one request, over a connection that was kept if there is one and it may.
func (t *target) ask(ctx context.Context, keep bool) (answer, error) {
	var c *conn
	if keep {
		select {
		case c = <-t.idle:
		default:
		}
	}
	reused := c != nil
	if c == nil {
		var err error
		if c, err = t.dial(ctx); err != nil {
			return answer{}, err
		}
	}
	a, err := c.ask(ctx, t, keep)
	a.reused = reused
	if err != nil || !keep || !a.again {
		_ = c.Close()
		return a, err
	}
	select {
	case t.idle <- c:
	default:
		_ = c.Close()
	}
	return a, nil
}

// dial connects to one address of the name. The dialler of package net would try the others after it, and hide that one
// of them is dead.
func (t *target) dial(ctx context.Context) (*conn, error) {
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip4", t.host)
	if err != nil {
		return nil, fmt.Errorf("looking up: %w", err)
	}
	if len(addrs) == 0 {
		return nil, errors.New("looking up: there is no address")
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, t.network, net.JoinHostPort(addrs[0].Unmap().String(), t.port))
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	return newConn(c), nil
}

// forget closes the connections that are kept.
func (t *target) forget() {
	for {
		select {
		case c := <-t.idle:
			_ = c.Close()
		default:
			return
		}
	}
}

// parse reads the line that servers of package web begin their answer with: who they are and whom they see.
func (a *answer) parse(body string) {
	line, _, _ := strings.Cut(body, "\n")
	if f := strings.Fields(line); len(f) >= 2 {
		a.who, a.remote = f[0], f[1]
	}
	if host, _, err := net.SplitHostPort(a.remote); err == nil {
		a.remote = host
	}
}
