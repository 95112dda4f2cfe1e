package remote

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc/credentials"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/identity"
)

const (
	handshakeWait = 10 * time.Second
	refuseWait    = time.Second
	acceptPause   = 100 * time.Millisecond // after the system refused to accept, for example for want of descriptors
)

// door takes connections, finds out who is there, and shows members and strangers to different servers: what a
// stranger sends is then read with a stranger's limits from the first byte.
type door struct {
	keys               func() identity.Keys
	env                env.Env
	logger             *slog.Logger
	waiting            *crowd // whose handshake is not done
	members, strangers *inlet
	crowd              *crowd // of strangers
	wg                 sync.WaitGroup

	mu     sync.Mutex
	made   identity.Keys // what shared was made of: it is read once, not at each of ten thousand handshakes
	shared *tls.Config
}

func newDoor(cfg Config) *door {
	return &door{
		keys: cfg.Keys, env: cfg.Env, logger: cfg.Logger, members: newInlet(), strangers: newInlet(),
		waiting: newCrowd(cfg.Limits.Handshakes), crowd: newCrowd(cfg.Limits.Connections),
	}
}

// run accepts until ctx ends or the listener fails.
func (d *door) run(ctx context.Context, lis net.Listener) error {
	defer d.wg.Wait()
	stop := context.AfterFunc(ctx, func() { _ = lis.Close() })
	defer stop()
	for {
		c, err := lis.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = c.Close()
			}
			return ctx.Err()
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("accept connections of other nodes: %w", err)
		case err != nil:
			d.logger.Warn("a connection of another node cannot be accepted", "err", err)
			pause(ctx, d.env, acceptPause)
			continue
		}
		from := addressKey(c.RemoteAddr())
		if !d.waiting.enter(from) {
			_ = c.Close()
			continue
		}
		d.wg.Go(func() {
			defer d.waiting.leave(from)
			d.greet(ctx, c, from)
		})
	}
}

// greet makes the handshake.
func (d *door) greet(ctx context.Context, c net.Conn, from string) {
	hctx, cancel := context.WithTimeout(ctx, handshakeWait)
	defer cancel()
	keys := d.keys() // at each handshake, since certificates are renewed
	t := tls.Server(c, &tls.Config{MinVersion: tls.VersionTLS13, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return d.config(keys) }})
	if err := t.HandshakeContext(hctx); err != nil {
		d.logger.Debug("a connection was refused", "from", c.RemoteAddr(), "err", err)
		d.refuse(c)
		return
	}
	g := &greeted{Conn: t, roots: keys.Roots}
	to := d.members
	if len(t.ConnectionState().VerifiedChains) == 0 {
		if !d.crowd.enter(from) {
			_ = t.Close()
			return
		}
		g.left = func() { d.crowd.leave(from) }
		to = d.strangers
	}
	if !to.put(ctx, g) {
		_ = g.Close()
	}
}

// refuse closes a connection so that the client gets to read why: what it has sent meanwhile is read too, or the reset
// that answers it would overtake the reason.
func (d *door) refuse(c net.Conn) {
	defer c.Close()
	half, ok := c.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil || c.SetReadDeadline(time.Now().Add(refuseWait)) != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, c, maxStrangerMessage) // whatever it is
}

// config is for the handshakes with present keys. A connection stands for the certificate it was made with, so none is taken up again by a
// ticket.
func (d *door) config(keys identity.Keys) (*tls.Config, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shared != nil && bytes.Equal(keys.Cert, d.made.Cert) && bytes.Equal(keys.Key, d.made.Key) && bytes.Equal(keys.Roots, d.made.Roots) {
		return d.shared, nil
	}
	c, err := keys.Server()
	if err != nil {
		d.logger.Error("no node can connect to this one", "err", err)
		return nil, err
	}
	c.Time, c.SessionTicketsDisabled = d.env.Now, true
	d.made, d.shared = keys, c
	return c, nil
}

// greeted is a connection whose handshake is done.
type greeted struct {
	*tls.Conn
	roots []byte // that the other end's certificate was held against
	once  sync.Once
	left  func() // may be nil
}

func (g *greeted) Close() error {
	err := g.Conn.Close()
	g.once.Do(func() {
		if g.left != nil {
			g.left()
		}
	})
	return err
}

// handshaken are the credentials of a server whose door made the handshake.
type handshaken struct {
	credentials.TransportCredentials
}

func (handshaken) ServerHandshake(c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	g, ok := c.(*greeted)
	if !ok || g.ConnectionState().NegotiatedProtocol != "h2" {
		return nil, nil, errors.New("the client does not speak HTTP/2")
	}
	return g, greeting{credentials.TLSInfo{
		State: g.ConnectionState(), CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity},
	}, g.roots}, nil
}

// greeting is what is known of a connection's other end.
type greeting struct {
	credentials.TLSInfo
	roots []byte
}

func (handshaken) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "tls"}
}

func (h handshaken) Clone() credentials.TransportCredentials { return h }
