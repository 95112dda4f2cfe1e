package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/api"
	"github.com/skep-org/skep/internal/api/events"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/executor/socketmount"
	"github.com/skep-org/skep/internal/manager"
	"github.com/skep-org/skep/internal/node/address"
)

// readyWait bounds how long init and a start wait for the one-node cluster to answer.
const readyWait = 20 * time.Second

// errBusy is said when two requests found or leave a cluster at the same time.
var errBusy = errors.New("this node is just joining or leaving a cluster; try again shortly")

// errNoMember is said to a request that came as the node left its cluster.
var errNoMember = errors.New("this node is not part of a cluster any more")

// cluster is the node's part in a cluster, or its having none. It implements [api.Cluster].
type cluster struct {
	cfg     Config
	env     env.Env
	sockets socketmount.Rewriter
	ring    *events.Ring
	logger  *slog.Logger
	exclude func(context.Context) []netip.Prefix // the engine's own networks

	changing sync.Mutex // held while the node founds or leaves a cluster
	mu       sync.Mutex
	member   *member
	pending  bool
}

var _ api.Cluster = (*cluster)(nil)

// resume takes part again in the cluster the node belongs to, if it does.
func (c *cluster) resume(ctx context.Context) error {
	ms, err := readMembership(c.cfg.DataDir)
	if err != nil || ms == nil {
		return err
	}
	return c.begin(ctx, *ms)
}

func (c *cluster) begin(ctx context.Context, ms membership) error {
	m, err := openMember(c.cfg, c.env, c.sockets, c.logger, ms)
	if err != nil {
		return err
	}
	m.start(c.ring)
	c.set(m)
	ctx, cancel := context.WithTimeout(ctx, readyWait)
	defer cancel()
	return m.ready(ctx)
}

// Init implements [api.Cluster].
func (c *cluster) Init(ctx context.Context, req swarm.InitRequest) (string, error) {
	if !c.changing.TryLock() {
		return "", errBusy
	}
	defer c.changing.Unlock()
	listen, advertise, err := c.addresses(ctx, req)
	if err != nil {
		return "", err
	}
	c.setPending(true)
	defer c.setPending(false)
	ms := membership{
		Node: c.env.NewID(), Cluster: c.env.NewID(), RaftID: firstRaftID,
		ListenAddr: listen.String(), AdvertiseAddr: advertise.String(),
	}
	f := manager.Founding{Cluster: ms.Cluster, Node: ms.Node, Advertise: advertise, Request: req}
	if err := found(c.cfg.DataDir, c.env, c.logger, ms, f); err != nil {
		return "", err
	}
	if err := c.begin(ctx, ms); err != nil {
		return "", err
	}
	c.logger.Info("founded a cluster", "cluster", ms.Cluster, "node", ms.Node, "advertise", advertise)
	return ms.Node.String(), nil
}

// firstRaftID is the founding member's; later ones are drawn at random.
const firstRaftID = 1

// addresses decides where the node listens and what it advertises: what the request says, else what the daemon was
// started with. The stock CLI sends address.DefaultListen unasked.
func (c *cluster) addresses(ctx context.Context, req swarm.InitRequest) (listen, advertise netip.AddrPort, err error) {
	system, err := address.System()
	if err != nil {
		return listen, advertise, err
	}
	asked := req.ListenAddr
	if asked == "" || asked == address.DefaultListen {
		asked = c.cfg.ListenAddr
	}
	if listen, err = address.Listen(asked, system); err != nil {
		return listen, advertise, err
	}
	told := req.AdvertiseAddr
	if told == "" {
		told = c.cfg.AdvertiseAddr
	}
	advertise, err = address.Advertise(told, listen, system, c.exclude(ctx))
	return listen, advertise, err
}

// Leave implements [api.Cluster]: the node's tasks end, then it forgets the cluster.
func (c *cluster) Leave(ctx context.Context, _ bool) error {
	if !c.changing.TryLock() {
		return errBusy
	}
	defer c.changing.Unlock()
	m := c.current()
	if m == nil {
		return dropMembership(c.cfg.DataDir)
	}
	if err := m.stop(); err != nil {
		c.logger.Warn("the cluster's part on this node did not end cleanly", "err", err)
	}
	c.set(nil)
	// From here on the request's end must not stop half way: the node is to be free of the cluster.
	ctx = context.WithoutCancel(ctx)
	if err := clearEngine(ctx, c.cfg.Engine, c.env, m.Node); err != nil {
		return fmt.Errorf("remove the cluster's containers from this node's engine: %w", err)
	}
	return dropMembership(c.cfg.DataDir)
}

// Manager implements [api.Cluster].
func (c *cluster) Manager() api.Manager {
	if m := c.current(); m != nil && m.failure() == nil {
		return m.manager
	}
	return nil
}

// State implements [api.Cluster].
func (c *cluster) State() api.State {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.pending:
		return api.State{Local: swarm.LocalNodeStatePending}
	case c.member == nil:
		return api.State{Local: swarm.LocalNodeStateInactive}
	}
	st := api.State{Local: swarm.LocalNodeStateActive, NodeID: c.member.Node, Addr: c.member.host()}
	if err := c.member.failure(); err != nil {
		st.Local, st.Err = swarm.LocalNodeStateError, err.Error()
	} else if c.member.manager.Leading() {
		st.Leader = c.member.Node
	}
	return st
}

// close ends the node's part without leaving.
func (c *cluster) close() error {
	if m := c.current(); m != nil {
		return m.stop()
	}
	return nil
}

func (c *cluster) current() *member {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.member
}

func (c *cluster) set(m *member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.member = m
}

func (c *cluster) setPending(p bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pending = p
}

// host is the advertised address without its port, as Docker shows it.
func (m *membership) host() string {
	ap, err := netip.ParseAddrPort(m.AdvertiseAddr)
	if err != nil {
		return m.AdvertiseAddr
	}
	return ap.Addr().String()
}
