package sshdriver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/user"
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
	// Agent is the socket of the user's agent; empty: there is none.
	Agent string
}

// Driver reaches machines by SSH.
type Driver struct{ o Options }

// New is a driver.
func New(o Options) *Driver { return &Driver{o} }

// Open implements [provision.Driver].
func (d *Driver) Open(ctx context.Context, m provision.Machine) (provision.Host, error) {
	ctx, cancel := context.WithTimeout(ctx, dialLimit*time.Duration(1+len(m.Jumps())))
	defer cancel()
	auth, done, err := d.auth(m)
	if err != nil {
		return nil, err
	}
	defer done()
	h := &host{}
	for _, at := range append(m.Jumps(), m.Host) {
		if err := h.hop(ctx, d, m, at, auth); err != nil {
			return nil, errors.Join(fmt.Errorf("connecting to %s: %w", at, err), h.Close())
		}
	}
	if err := h.whoAmI(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("connecting to %s: %w", m.Host, err), h.Close())
	}
	h.watch()
	return h, nil
}

// hop connects to the next host, through those connected to already.
func (h *host) hop(ctx context.Context, d *Driver, m provision.Machine, at string, auth []ssh.AuthMethod) error {
	addr, err := provision.ParseAddress(at)
	if err != nil {
		return err
	}
	if addr.User == "" {
		me, err := user.Current()
		if err != nil {
			return fmt.Errorf("no user is named, and who you are is not known: %w", err)
		}
		addr.User = me.Username
	}
	known, err := d.knownHosts(m)
	if err != nil {
		return err
	}
	config := &ssh.ClientConfig{
		User: addr.User, Auth: auth, HostKeyCallback: known.check, HostKeyAlgorithms: known.algorithms(addr.Dial()), Timeout: dialLimit,
	}
	var conn net.Conn
	if n := len(h.clients); n > 0 {
		conn, err = h.clients[n-1].DialContext(ctx, "tcp", addr.Dial())
	} else {
		conn, err = (&net.Dialer{Timeout: dialLimit}).DialContext(ctx, "tcp", addr.Dial())
	}
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	c, channels, requests, err := ssh.NewClientConn(conn, addr.Dial(), config)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return errors.Join(explain(err), conn.Close())
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
