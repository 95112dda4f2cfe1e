package sshdriver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/skep-org/skep/internal/provision"
)

const (
	// dialLimit is how long a host may take to answer.
	dialLimit = 15 * time.Second
	// aliveEvery is how often a host is asked whether it is there, so that one that is not is noticed.
	aliveEvery = 15 * time.Second
)

// Options are how machines are reached.
type Options struct {
	// AcceptNew writes down the key of a host that is not known yet.
	AcceptNew bool
	// Home is the user's directory, where keys and known hosts are unless a machine says otherwise.
	Home string
	// Configs are files of ssh's configuration, the user's own first.
	Configs []string
	// Agent is the socket of the user's agent; empty: there is none.
	Agent string
}

// Driver reaches machines by SSH.
type Driver struct{ o Options }

// New is a driver.
func New(o Options) *Driver { return &Driver{o} }

// Open implements [provision.Driver].
func (d *Driver) Open(ctx context.Context, m provision.Machine) (provision.Host, error) {
	config, err := d.config()
	if err != nil {
		return nil, err
	}
	way, err := config.route(m)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialLimit*time.Duration(len(way)))
	defer cancel()
	h := &host{}
	for _, t := range way {
		if err := h.hop(ctx, d, m, t); err != nil {
			return nil, errors.Join(fmt.Errorf("connecting to %s: %w", t, err), h.Close())
		}
	}
	if err := h.whoAmI(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("connecting to %s: %w", m.Host, err), h.Close())
	}
	h.watch()
	return h, nil
}

// hop connects to the next host, through those connected to already.
func (h *host) hop(ctx context.Context, d *Driver, m provision.Machine, t target) error {
	known, err := d.knownHosts(m, t)
	if err != nil {
		return err
	}
	auth, done, err := d.auth(m, t)
	if err != nil {
		return err
	}
	defer done()
	config := &ssh.ClientConfig{
		User: t.user, Auth: auth, HostKeyCallback: known.check, HostKeyAlgorithms: known.algorithms(t.dial()), Timeout: dialLimit,
	}
	var conn net.Conn
	if n := len(h.clients); n > 0 {
		conn, err = h.clients[n-1].DialContext(ctx, "tcp", t.dial())
	} else {
		conn, err = (&net.Dialer{Timeout: dialLimit}).DialContext(ctx, "tcp", t.dial())
	}
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	c, channels, requests, err := ssh.NewClientConn(conn, t.dial(), config)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		return explain(err)
	}
	h.clients = append(h.clients, ssh.NewClient(c, channels, requests))
	return nil
}

// explain says what to do about a refused login.
func explain(err error) error {
	var refused *hostKeyError
	if errors.As(err, &refused) {
		return refused
	}
	if err != nil && isAuth(err) {
		return fmt.Errorf("it accepts none of the keys of your agent and files: name one by --identity, or put its public key into ~/.ssh/authorized_keys there (%w)", err)
	}
	return err
}
