package remote

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	pb "go.etcd.io/raft/v3/raftpb"
	"go.uber.org/goleak"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/manager/authority"
	"github.com/skep-org/skep/internal/manager/dispatcher"
	"github.com/skep-org/skep/internal/manager/roles"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The clusters and nodes of the tests.
var (
	ours, theirs = model.NumID(70), model.NumID(71)
	m1, m2, m3   = model.NumID(1), model.NumID(2), model.NumID(3)
	w1           = model.NumID(11)
)

// jumpClock is the machine's clock, which can be moved forward.
type jumpClock struct {
	mu     sync.Mutex
	ahead  time.Duration
	timers map[*jumpTimer]bool
}

type jumpTimer struct {
	at   time.Time
	c    chan time.Time
	real *time.Timer
}

func (j *jumpClock) Now() time.Time {
	j.mu.Lock()
	defer j.mu.Unlock()
	return time.Now().Add(j.ahead)
}

func (j *jumpClock) NewTimer(d time.Duration) (<-chan time.Time, func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.timers == nil {
		j.timers = map[*jumpTimer]bool{}
	}
	t := &jumpTimer{at: time.Now().Add(j.ahead + d), c: make(chan time.Time, 1)}
	j.timers[t] = true
	t.real = time.AfterFunc(d, func() { j.fire(t) })
	return t.c, func() { t.real.Stop() }
}

func (j *jumpClock) fire(t *jumpTimer) {
	select {
	case t.c <- t.at:
	default:
	}
}

func (j *jumpClock) jump(d time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ahead += d
	for t := range j.timers {
		if !t.at.After(time.Now().Add(j.ahead)) {
			j.fire(t)
		}
	}
}

// ca makes the keys of nodes.
type ca struct {
	t    *testing.T
	root identity.Root
}

func newCA(t *testing.T) ca {
	t.Helper()
	root, err := identity.NewRoot(rand.Reader, time.Now())
	require.NoError(t, err)
	return ca{t, root}
}

func (a ca) keys(cluster, node model.ID, role model.Role) identity.Keys {
	a.t.Helper()
	return a.keysFor(cluster, node, role, time.Hour)
}

func (a ca) keysFor(cluster, node model.ID, role model.Role, life time.Duration) identity.Keys {
	a.t.Helper()
	c, err := a.root.Issue(rand.Reader, time.Now(), cluster, node, role, life)
	require.NoError(a.t, err)
	return identity.Keys{Cert: c.Cert, Key: c.Key, Roots: a.root.Cert}
}

// granted is what the store says of the nodes: by default everybody is what its certificate says.
type granted struct {
	mu    sync.Mutex
	roles map[model.ID]model.Role
	gone  map[model.ID]bool
}

func (g *granted) allowed(p identity.Peer, need model.Role) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.gone[p.Node] {
		return errors.New("the node was removed from the cluster")
	}
	if role, ok := g.roles[p.Node]; ok && need == model.RoleManager && role != model.RoleManager {
		return errors.New("the node is not a manager any more")
	}
	return nil
}

func (g *granted) set(f func(*granted)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f(g)
}

// host is a server of a test.
type host struct {
	*Server
	addr    string
	granted *granted
	stop    func()
}

type option func(*Config)

// serve runs a server of node m1 until the test ends.
func serve(t *testing.T, a ca, h Handlers, options ...option) *host {
	t.Helper()
	return serveAs(t, a, m1, "127.0.0.1:0", h, options...)
}

func serveAs(t *testing.T, a ca, node model.ID, addr string, h Handlers, options ...option) *host {
	t.Helper()
	g := &granted{roles: map[model.ID]model.Role{}, gone: map[model.ID]bool{}}
	keys := a.keysFor(ours, node, model.RoleManager, 48*time.Hour)
	cfg := Config{Cluster: ours, Keys: func() identity.Keys { return keys }, Allowed: g.allowed, Env: env.Real()}
	for _, o := range options {
		o(&cfg)
	}
	s := NewServer(cfg)
	s.SetHandlers(h)
	lis, err := net.Listen("tcp", addr)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, lis) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Serve ended with %v", err)
		}
	})
	t.Cleanup(stop)
	return &host{s, lis.Addr().String(), g, stop}
}

func (h *host) manager() Manager { return Manager{Addr: h.addr} }

// dialer is one with fixed keys that is closed when the test ends.
func dialer(t *testing.T, keys identity.Keys) *Dialer {
	t.Helper()
	return dialerWith(t, func() identity.Keys { return keys }, env.Real())
}

func dialerWith(t *testing.T, keys func() identity.Keys, e env.Env) *Dialer {
	t.Helper()
	d := NewDialer(DialerConfig{Keys: keys, Env: e})
	t.Cleanup(d.Close)
	return d
}

// fakes are handlers that answer everything.
type fakes struct {
	members roles.Group // as the leader; nil: it does not lead
	propose func(context.Context, *store.Batch) (uint64, error)
	join    func(context.Context, *wire.JoinRequest) (*wire.JoinReply, error)
	relay   func(context.Context, Frames) error
	session func(model.ID) (wire.Session, error)
	enter   func(context.Context) error
	roots   []byte
	blobs   map[model.Digest][]byte
	busy    bool
}

func (f *fakes) handlers() Handlers {
	return Handlers{Authority: f, Group: f, Dispatcher: f, Relay: f, Directory: f, Registry: f, Blobs: f}
}

func (f *fakes) Root(context.Context) (*wire.RootReply, error) {
	return &wire.RootReply{Roots: f.roots}, nil
}

func (f *fakes) Join(ctx context.Context, _ string, r *wire.JoinRequest) (*wire.JoinReply, error) {
	if f.join == nil {
		return &wire.JoinReply{}, nil
	}
	return f.join(ctx, r)
}

func (f *fakes) Renew(_ context.Context, p identity.Peer, r *wire.RenewRequest) (*wire.RenewReply, error) {
	return &wire.RenewReply{Cert: append([]byte(p.Node.String()+" "), r.Csr...)}, nil
}

func (f *fakes) Step(...*pb.Message) {}

func (f *fakes) StepSnapshot(_ context.Context, _ *pb.Message, body io.Reader) error {
	_, err := io.Copy(io.Discard, body)
	return err
}

func (f *fakes) Heard(uint64, model.ID, string) {}

func (f *fakes) Propose(ctx context.Context, _ identity.Peer, b *store.Batch) (uint64, error) {
	if f.propose == nil {
		return 1, nil
	}
	return f.propose(ctx, b)
}

func (f *fakes) Enter(ctx context.Context, _ identity.Peer, _ uint64, _ string, _ uint64) error {
	if f.enter == nil {
		return nil
	}
	return f.enter(ctx)
}

func (f *fakes) Depart(context.Context, identity.Peer, uint64, bool) error { return nil }

func (f *fakes) Members(context.Context) (roles.Group, error) {
	if f.members == nil {
		return nil, store.ErrNotLeader
	}
	return f.members, nil
}

func (f *fakes) Ask(_ context.Context, node model.ID, _ *wire.ManagerMessage) error {
	if node != w1 {
		return dispatcher.ErrNotConnected
	}
	return nil
}

func (f *fakes) Network(_ context.Context, name string) (*wire.Network, error) {
	switch name {
	case "open":
		return &wire.Network{Name: name}, nil
	case "closed":
		return nil, authority.ErrRefused
	}
	return nil, store.ErrNotFound
}

func (f *fakes) Connect(node model.ID, _ string) (wire.Session, error) {
	if f.session == nil {
		return nil, store.ErrNotLeader
	}
	return f.session(node)
}

func (f *fakes) Attach(ctx context.Context, _ identity.Peer, _ model.ID, frames Frames) error {
	if f.relay == nil {
		return nil
	}
	return f.relay(ctx, frames)
}

// pipe is a session whose manager's end the test holds.
type pipe struct {
	in     chan *wire.AgentMessage
	out    chan *wire.ManagerMessage
	closed chan struct{}
	once   sync.Once
}

func newPipe() *pipe {
	return &pipe{in: make(chan *wire.AgentMessage, 16), out: make(chan *wire.ManagerMessage, 16), closed: make(chan struct{})}
}

func (p *pipe) Send(m *wire.AgentMessage) error {
	select {
	case p.in <- m:
		return nil
	case <-p.closed:
		return wire.ErrEnded
	}
}
func (p *pipe) Recv() <-chan *wire.ManagerMessage { return p.out }
func (p *pipe) Close()                            { p.once.Do(func() { close(p.closed) }) }

// within receives from c, or fails after ten seconds.
func within[T any](t *testing.T, c <-chan T, what string) (v T, ok bool) {
	t.Helper()
	select {
	case v, ok = <-c:
	case <-time.After(10 * time.Second):
		t.Fatalf("ten seconds passed: %s", what)
	}
	return v, ok
}

// eventually waits until f holds, ten seconds at most.
func eventually(t *testing.T, f func() bool, what string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !f(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("ten seconds passed: %s", what)
		}
	}
}
