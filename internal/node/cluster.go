package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/agent"
	"github.com/skep-org/skep/internal/api"
	"github.com/skep-org/skep/internal/api/events"
	"github.com/skep-org/skep/internal/api/httperr"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/executor/socketmount"
	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/manager"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/node/address"
	"github.com/skep-org/skep/internal/node/remote"
	"github.com/skep-org/skep/internal/node/vault"
)

const (
	// readyWait bounds how long init and join wait for the cluster to answer; resumeWait how long a daemon that starts
	// keeps its API waiting for it.
	readyWait  = 20 * time.Second
	resumeWait = 5 * time.Second
	// departWait bounds how long a manager that leaves waits for the others to let it go.
	departWait  = 10 * time.Second
	departTries = 3
)

// errBusy is said when two requests found or leave a cluster at the same time.
var errBusy = errors.New("this node is just joining or leaving a cluster; try again shortly")

// errNoMember is said to a request that came as the node left its cluster.
var errNoMember = errors.New("this node is not part of a cluster any more")

// cluster is the node's part in a cluster, or its having none. It implements [api.Cluster].
type cluster struct {
	cfg      Config
	env      env.Env
	sockets  socketmount.Rewriter
	ring     *events.Ring
	logger   *slog.Logger
	overlays *overlays
	exclude  func(context.Context) []netip.Prefix // the engine's own networks

	changing sync.Mutex // held while the node founds or leaves a cluster
	mu       sync.Mutex
	member   *member
	locked   *membership // of a manager that waits for the unlock key
	remnant  *remnant
	pending  bool
}

// remnant is of a cluster that the node takes part in no more and that could not be removed from it: the engine was away.
type remnant struct {
	node model.ID
	err  error
}

var (
	_ api.Cluster = (*cluster)(nil)
	_ api.Joiner  = (*cluster)(nil)
	_ api.Grouped = manager.Front{}
)

// resume takes part again in the cluster the node belongs to, if it does. A cluster that does not answer, because most of
// its managers are down, is no reason not to start: the node goes on trying, and its containers run.
func (c *cluster) resume(ctx context.Context) error {
	ms, err := readMembership(c.cfg.DataDir)
	if err != nil || ms == nil {
		return err
	}
	m, err := c.launch(*ms, "")
	if errors.Is(err, vault.ErrLocked) {
		c.logger.Warn("this manager is locked and takes no part in the cluster until docker swarm unlock; its containers run on")
		return nil
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, resumeWait)
	defer cancel()
	if err := m.ready(ctx); err != nil {
		c.logger.Warn("serving without the cluster's answer", "err", err)
	}
	return nil
}

// begin takes part for the first time: the cluster has to answer.
func (c *cluster) begin(ctx context.Context, ms membership, unlock string) error {
	m, err := c.launch(ms, unlock)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, readyWait)
	defer cancel()
	return m.ready(ctx)
}

// launch runs the membership that is on disk; unlock is the key of a manager that is locked.
func (c *cluster) launch(ms membership, unlock string) (*member, error) {
	c.overlays.begin(ms)
	m, err := openMember(c.cfg, c.env, c.sockets, c.ring, c.logger, c.overlays, ms, unlock)
	if errors.Is(err, vault.ErrLocked) {
		c.mu.Lock()
		c.locked = &ms
		c.mu.Unlock()
	}
	if err != nil {
		return nil, err
	}
	if err := m.start(); err != nil {
		return nil, errors.Join(err, m.executor.Close())
	}
	c.set(m)
	go c.watch(m)
	return m, nil
}

// watch forgets the cluster when its managers have removed this node.
func (c *cluster) watch(m *member) {
	<-m.done
	if !errors.Is(m.err, agent.ErrRemoved) {
		return
	}
	c.changing.Lock()
	defer c.changing.Unlock()
	if c.current() != m {
		return
	}
	c.logger.Info("this node was removed from its cluster: its tasks end, and it may join again")
	if err := c.forget(context.Background(), m.membership().Node); err != nil {
		c.logger.Error("the cluster could not be forgotten", "err", err)
	}
}

// Init implements [api.Cluster].
func (c *cluster) Init(ctx context.Context, req swarm.InitRequest) (string, error) {
	if !c.changing.TryLock() {
		return "", errBusy
	}
	defer c.changing.Unlock()
	at, err := c.addresses(ctx, req.ListenAddr, req.AdvertiseAddr, req.DataPathAddr)
	if err != nil {
		return "", err
	}
	c.setPending(true)
	defer c.setPending(false)
	ms := membership{
		Node: c.env.NewID(), Cluster: c.env.NewID(), Manager: true, RaftID: firstRaftID,
		ListenAddr: at.listen.String(), AdvertiseAddr: at.advertise.String(), DataPathAddr: at.dataPath,
	}
	ms.Managers = []remote.Manager{{Node: ms.Node, Addr: ms.AdvertiseAddr, Leader: true}}
	ingress, err := ingressFor(req, c.HostUses())
	if err != nil {
		return "", err
	}
	f := manager.Founding{Ingress: ingress, Cluster: ms.Cluster, Node: ms.Node, Advertise: at.advertise, Request: req}
	if req.AutoLockManagers || req.Spec.EncryptionConfig.AutoLockManagers {
		if f.UnlockKey, err = identity.UnlockKey(c.env.Rand); err != nil {
			return "", err
		}
	}
	if err := found(c.cfg.DataDir, c.env, c.logger, ms, f); err != nil {
		return "", err
	}
	if err := c.begin(ctx, ms, f.UnlockKey); err != nil {
		return "", c.undo(err)
	}
	c.logger.Info("founded a cluster", "cluster", ms.Cluster, "node", ms.Node, "advertise", at.advertise)
	return ms.Node.String(), nil
}

// firstRaftID is the founding member's; later ones are drawn at random.
const firstRaftID = 1

// undo forgets a cluster that was just founded or joined and cannot be taken part in.
func (c *cluster) undo(err error) error {
	if m := c.current(); m != nil {
		c.set(nil)
		err = errors.Join(err, m.stop(agent.ErrLeaving))
	}
	err = errors.Join(err, c.overlays.end(context.Background(), true))
	return errors.Join(err, dropMembership(c.cfg.DataDir))
}

// addresses are a node's own, as decided when it founds or joins a cluster.
type addresses struct {
	listen, advertise netip.AddrPort
	dataPath          string // empty: overlay packets reach the node at the advertised address
}

// underlay is where overlay packets are to reach the node.
func (a addresses) underlay() netip.Addr {
	if at, err := netip.ParseAddr(a.dataPath); err == nil {
		return at
	}
	return a.advertise.Addr()
}

// addresses decides where the node listens and what it advertises: what the request says, else what the daemon was
// started with. The stock CLI sends address.DefaultListen unasked. The remotes are the managers it joins.
func (c *cluster) addresses(ctx context.Context, listen, advertise, dataPath string, remotes ...string) (at addresses, err error) {
	system, err := address.System()
	if err != nil {
		return at, err
	}
	if listen == "" || listen == address.DefaultListen {
		listen = c.cfg.ListenAddr
	}
	if at.listen, err = address.Listen(listen, system); err != nil {
		return at, httperr.BadRequest("%s", err)
	}
	advertise = cmp.Or(advertise, c.cfg.AdvertiseAddr)
	if at.advertise, err = address.Advertise(advertise, at.listen, system, c.exclude(ctx), remotes); err != nil {
		return at, httperr.BadRequest("%s", err)
	}
	at.listen = address.ListenFor(at.listen, at.advertise.Addr())
	data, err := address.DataPath(dataPath, system)
	if err != nil {
		return at, httperr.BadRequest("%s", err)
	}
	if data.IsValid() {
		at.dataPath = data.String()
	}
	return at, nil
}

// Leave implements [api.Cluster]: a manager departs from the group, the node's tasks end, then it forgets the cluster.
func (c *cluster) Leave(ctx context.Context, force bool) error {
	if !c.changing.TryLock() {
		return errBusy
	}
	defer c.changing.Unlock()
	m := c.current()
	if m == nil {
		if ms := c.lockedAs(); ms != nil { // the others keep its row until it is removed there
			return c.forget(context.WithoutCancel(ctx), ms.Node)
		}
		return c.leaveRest(context.WithoutCancel(ctx))
	}
	if err := m.depart(ctx, force); err != nil {
		return err
	}
	if err := m.stop(agent.ErrLeaving); err != nil {
		c.logger.Warn("the cluster's part on this node did not end cleanly", "err", err)
	}
	// From here on the request's end must not stop half way: the node is to be free of the cluster.
	return c.forget(context.WithoutCancel(ctx), m.membership().Node)
}

// leaveRest goes on with a leave that ended half way.
func (c *cluster) leaveRest(ctx context.Context) error {
	c.mu.Lock()
	rest := c.remnant
	c.mu.Unlock()
	if rest != nil {
		return c.forget(ctx, rest.node)
	}
	return errors.Join(c.overlays.end(ctx, true), dropMembership(c.cfg.DataDir))
}

// forget removes all that the part of a node in its cluster left here when it ended. If it cannot be removed, leaving
// again goes on with it.
func (c *cluster) forget(ctx context.Context, node model.ID) error {
	c.set(nil)
	err := c.clear(ctx, node)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.remnant = nil; err != nil {
		c.remnant = &remnant{node, err}
	}
	return err
}

func (c *cluster) clear(ctx context.Context, node model.ID) error {
	if err := clearEngine(ctx, c.cfg.Engine, c.env, node); err != nil {
		return fmt.Errorf("remove the cluster's containers from this node's engine: %w", err)
	}
	c.dropVolumes(ctx)
	if err := c.overlays.end(ctx, true); err != nil {
		return err
	}
	return dropMembership(c.cfg.DataDir)
}

// Manager implements [api.Cluster].
func (c *cluster) Manager() api.Manager {
	if m := c.current(); m != nil && m.failure() == nil {
		if p := m.manager(); p != nil {
			return p.front
		}
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
	case c.remnant != nil:
		return api.State{Local: swarm.LocalNodeStateError, NodeID: c.remnant.node, Err: c.remnant.sentence()}
	case c.member == nil && c.locked != nil:
		return api.State{Local: swarm.LocalNodeStateLocked, Addr: hostOf(c.locked.AdvertiseAddr), Err: api.Locked}
	case c.member == nil:
		return api.State{Local: swarm.LocalNodeStateInactive}
	}
	st := api.State{Local: swarm.LocalNodeStateActive, NodeID: c.member.membership().Node, Addr: c.member.host()}
	if err := c.member.failure(); err != nil {
		st.Local, st.Err = swarm.LocalNodeStateError, err.Error()
	} else if p := c.member.manager(); p != nil {
		st.Leader = p.manager.Leader()
	}
	for _, one := range c.member.managers() {
		st.Managers = append(st.Managers, swarm.Peer{NodeID: one.Node.String(), Addr: one.Addr})
	}
	return st
}

// close ends the node's part without leaving.
func (c *cluster) close() error {
	if m := c.current(); m != nil {
		return m.stop(context.Canceled)
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
	c.member, c.locked = m, nil
}

func (c *cluster) setPending(p bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pending = p
}

// host is the advertised address without its port, as Docker shows it.
func (m *member) host() string {
	return hostOf(m.membership().AdvertiseAddr)
}

func hostOf(addr string) string {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil {
		return addr
	}
	return ap.Addr().String()
}

func (r *remnant) sentence() string {
	return fmt.Sprintf("this node has left its cluster, and what the cluster made here is not all removed: leave again: docker swarm leave --force: %v", r.err)
}
