package remote

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/model"
)

// Manager is where a manager is reached. With a Node it must be that one who answers there.
type Manager struct {
	Node   model.ID
	Addr   string
	Leader bool // as far as is known; of no matter to a connection
}

func (m Manager) target() Manager { return Manager{Node: m.Node, Addr: m.Addr} }

// DialerConfig is what a [Dialer] is made of.
type DialerConfig struct {
	Keys func() identity.Keys // this node's present certificate
	Env  env.Env
	Dial func(ctx context.Context, addr string) (net.Conn, error) // nil: TCP
}

// Dialer calls managers. It keeps one connection to each, beside those that carry a single stream. Its methods may be called
// from anywhere.
type Dialer struct {
	cfg    DialerConfig
	mu     sync.Mutex
	keys   identity.Keys // that links were made with
	links  map[Manager]*link
	single map[*link]struct{}
	closed bool
}

// errEnds is for calls after Close.
var errEnds = fmt.Errorf("%w: this node's part in the cluster ends", ErrUnreachable)

const (
	connectWait = 3 * time.Second // for a connection and its handshake
	linksKept   = 64              // above that, idle ones are closed
)

// NewDialer makes a dialer that has to be closed.
func NewDialer(cfg DialerConfig) *Dialer {
	if cfg.Dial == nil {
		cfg.Dial = dialTCP
	}
	return &Dialer{cfg: cfg, links: map[Manager]*link{}, single: map[*link]struct{}{}}
}

func dialTCP(ctx context.Context, addr string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", addr)
}

// Renewed looks at the keys: if they are new, connections made with the old ones end as soon as nobody waits for an
// answer on them. Every call does that too; this is for when there is none.
func (d *Dialer) Renewed() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refresh()
}

func (d *Dialer) refresh() {
	k := d.cfg.Keys()
	if bytes.Equal(k.Cert, d.keys.Cert) && bytes.Equal(k.Roots, d.keys.Roots) {
		return
	}
	d.keys = k
	for to, l := range d.links {
		delete(d.links, to)
		l.retire()
	}
	for l := range d.single {
		l.retire()
	}
}

// Close ends all connections and what goes on on them.
func (d *Dialer) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	for to, l := range d.links {
		delete(d.links, to)
		l.retire()
		_ = l.cc.Close()
	}
	for l := range d.single {
		delete(d.single, l)
		l.retire()
		_ = l.cc.Close()
	}
}

// link returns the connection to a manager, made or yet to be made.
func (d *Dialer) link(to Manager) (*link, error) {
	to = to.target()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, errEnds
	}
	d.refresh()
	if l := d.links[to]; l != nil {
		if !l.outdated(d.cfg.Env.Now()) {
			return l, nil
		}
		delete(d.links, to)
		l.retire()
	}
	d.prune()
	l, err := d.make(to, memberTLS)
	if err == nil {
		d.links[to] = l
	}
	return l, err
}

// clientTLS is the TLS towards a node: memberTLS or nodeTLS.
type clientTLS func(keys identity.Keys, node model.ID, now func() time.Time) (*tls.Config, error)

// make makes a link with the keys of now.
func (d *Dialer) make(to Manager, as clientTLS) (*link, error) {
	n := &note{}
	c, err := as(d.keys, to.Node, d.cfg.Env.Now)
	if err != nil {
		return nil, err
	}
	cc, err := connect(to.Addr, watch(c, n), d.cfg.Dial)
	if err != nil {
		return nil, err
	}
	return &link{cc: cc, to: to, note: n, retired: make(chan struct{}), clock: d.cfg.Env}, nil
}

// discard gives up on a connection that does not come about: it would be tried again for a minute, once in a second, though
// nobody waits for it.
func (d *Dialer) discard(to Manager) {
	to = to.target()
	d.mu.Lock()
	defer d.mu.Unlock()
	if l := d.links[to]; l != nil && l.cc.GetState() == connectivity.TransientFailure {
		delete(d.links, to)
		l.retire()
	}
}

// prune closes connections to where nobody has been for a while.
func (d *Dialer) prune() {
	for to, l := range d.links {
		if len(d.links) < linksKept {
			return
		}
		if s := l.cc.GetState(); s == connectivity.Idle || s == connectivity.TransientFailure {
			delete(d.links, to)
			l.retire()
		}
	}
}

func connect(addr string, creds credentials.TransportCredentials, dial func(context.Context, string) (net.Conn, error)) (*grpc.ClientConn, error) {
	cc, err := grpc.NewClient("passthrough:///"+addr,
		grpc.WithTransportCredentials(creds), grpc.WithContextDialer(dial), grpc.WithNoProxy(),
		grpc.WithDisableRetry(), grpc.WithDisableServiceConfig(), grpc.WithIdleTimeout(time.Minute),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)),
		grpc.WithStaticStreamWindowSize(streamWindow), grpc.WithStaticConnWindowSize(connectionWindow),
		grpc.WithReadBufferSize(readBuffer),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepalivePing, Timeout: keepaliveWait}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.3, MaxDelay: time.Second},
			MinConnectTimeout: connectWait,
		}),
	)
	if err != nil {
		return nil, fmt.Errorf("%w: %q is no address: %w", ErrUnreachable, addr, err)
	}
	return cc, nil
}

// ready returns a connection that stands, with the caller as one who waits for it: release is due. It does not try
// longer than the first failure.
func (d *Dialer) ready(ctx context.Context, to Manager) (*link, error) {
	for {
		l, err := d.link(to)
		if err != nil {
			return nil, err
		}
		if !l.acquire() {
			continue // just retired; the next is another
		}
		if err := l.stand(ctx); err != nil {
			l.release()
			return nil, err
		}
		return l, nil
	}
}

// alone returns a connection that stands and carries the caller's stream only: release is due, and end after it. The one
// that is kept to a manager may still lead to where that manager was before it lost its power, which shows seconds later.
func (d *Dialer) alone(ctx context.Context, to Manager) (*link, error) {
	return d.aloneAs(ctx, to, memberTLS)
}

func (d *Dialer) aloneAs(ctx context.Context, to Manager, as clientTLS) (*link, error) {
	l, err := d.another(to.target(), as)
	if err != nil {
		return nil, err
	}
	if err := l.stand(ctx); err != nil {
		l.release()
		d.end(l)
		return nil, err
	}
	return l, nil
}

func (d *Dialer) another(to Manager, as clientTLS) (*link, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, errEnds
	}
	d.refresh()
	l, err := d.make(to, as)
	if err != nil {
		return nil, err
	}
	l.acquire()
	d.single[l] = struct{}{}
	return l, nil
}

// end closes a connection of a single stream.
func (d *Dialer) end(l *link) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.single, l)
	l.retire()
}

// meaning is what the error of a call on a standing connection says: the words of the node that answered, or that the
// outcome is unknown.
func (d *Dialer) meaning(to Manager, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := answer(err); ok {
		return e
	}
	if neverSent(err) {
		return unreachable(to, nil, d.cfg.Env.Now(), err)
	}
	return broken(to, err)
}

// neverSent tells by gRPC's words that a call, found without its connection, got no further than to dial another one.
func neverSent(err error) bool {
	st, ok := status.FromError(err)
	return ok && st.Code() == codes.Unavailable && strings.Contains(st.Message(), "Error while dialing")
}
