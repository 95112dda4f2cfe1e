package node

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/api"
	"github.com/skep-org/skep/internal/api/events"
	"github.com/skep-org/skep/internal/api/listen"
	"github.com/skep-org/skep/internal/api/proxy"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/manager"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/node/remote"
	"github.com/skep-org/skep/internal/node/vault"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
	"golang.org/x/sync/errgroup"
)

// BareConfig is what a [Bare] manager is told.
type BareConfig struct {
	DataDir string // exists and is empty
	// Listener is where other nodes and agents reach it; its address is advertised as it is.
	Listener net.Listener
	API      string // unix:///path
	Version  string
	Env      env.Env
	Logger   *slog.Logger
}

// Bare is a manager without a node around it: no engine, no agent, no data plane, no registry. Log, store, stages, dispatcher,
// certificates, the API and all that nodes call are a daemon's own. A cluster at full size is simulated with it.
type Bare struct {
	cfg    BareConfig
	ms     membership
	keys   *keyring
	dialer *remote.Dialer
	server *remote.Server
	part   *part
	ring   *events.Ring
}

// FoundBare makes a cluster of one manager, whose node takes no tasks.
func FoundBare(cfg BareConfig) (*Bare, error) {
	at, err := cfg.address()
	if err != nil {
		return nil, err
	}
	ms := membership{Node: cfg.Env.NewID(), Cluster: cfg.Env.NewID(), Manager: true, RaftID: firstRaftID, ListenAddr: at.String(), AdvertiseAddr: at.String()}
	ms.Managers = []remote.Manager{{Node: ms.Node, Addr: ms.AdvertiseAddr, Leader: true}}
	f := manager.Founding{Cluster: ms.Cluster, Node: ms.Node, Advertise: at, Request: swarm.InitRequest{Availability: swarm.NodeAvailabilityDrain}}
	if err := found(cfg.DataDir, cfg.Env, cfg.Logger, ms, f); err != nil {
		return nil, err
	}
	return openBare(cfg, ms)
}

// JoinBare makes a manager of the cluster that the token is of; the manager at addr takes it in.
func JoinBare(ctx context.Context, cfg BareConfig, token, addr string) (*Bare, error) {
	at, err := cfg.address()
	if err != nil {
		return nil, err
	}
	csr, key, err := identity.NewRequest(cfg.Env.Rand)
	if err != nil {
		return nil, err
	}
	ask := &wire.JoinRequest{Token: token, Csr: csr, Availability: string(swarm.NodeAvailabilityDrain), Clock: cfg.Env.Now().UnixNano()}
	reply, err := remote.Join(ctx, cfg.Env, addr, ask)
	if err != nil {
		return nil, fmt.Errorf("join the managers at %s: %w", addr, err)
	}
	ms := membership{ListenAddr: at.String(), AdvertiseAddr: at.String(), Manager: true}
	id := cfg.Env.NewID()
	ms.RaftID = binary.BigEndian.Uint64(id[:8]) | 1<<63
	if err := draftJoin(cfg.DataDir, cfg.Env, &ms, reply, key); err != nil {
		return nil, err
	}
	v, err := vault.Open(dirOf(cfg.DataDir), false, cfg.Env.Rand, reply.GetUnlockKey())
	if err != nil {
		return nil, err
	}
	if err := createLog(dirOf(cfg.DataDir), v, ms, cfg.Logger); err != nil {
		return nil, err
	}
	return openBare(cfg, ms)
}

func (c BareConfig) address() (netip.AddrPort, error) {
	at, err := netip.ParseAddrPort(c.Listener.Addr().String())
	if err != nil {
		return at, fmt.Errorf("the manager's listener at %s has no address that others reach: %w", c.Listener.Addr(), err)
	}
	return at, nil
}

func openBare(cfg BareConfig, ms membership) (*Bare, error) {
	v, err := vault.Open(dirOf(cfg.DataDir), true, cfg.Env.Rand, "")
	if err != nil {
		return nil, err
	}
	b := &Bare{cfg: cfg, ms: ms, ring: events.NewRing()}
	if b.keys, err = openKeyring(v, cfg.Env, cfg.Logger); err != nil {
		return nil, err
	}
	b.dialer = remote.NewDialer(remote.DialerConfig{Keys: b.keys.Keys, Env: cfg.Env})
	b.server = remote.NewServer(remote.Config{Cluster: ms.Cluster, Keys: b.keys.Keys, Allowed: b.allowed, Env: cfg.Env, Logger: cfg.Logger})
	b.part, err = openPart(partConfig{DataDir: cfg.DataDir, Vault: v, Membership: ms, Dialer: b.dialer, Env: cfg.Env, Logger: cfg.Logger})
	if err != nil {
		b.dialer.Close()
		return nil, err
	}
	b.server.SetHandlers(b.part.handlers())
	return b, nil
}

func (b *Bare) allowed(peer identity.Peer, need model.Role) error { return allowed(b.part, peer, need) }

// Run serves agents, managers and the API until ctx ends or the log fails.
func (b *Bare) Run(ctx context.Context) error {
	defer b.dialer.Close()
	engine, err := proxy.NewEngine("unix:///nonexistent/engine.sock")
	if err != nil {
		return err
	}
	defer engine.Close()
	listeners, err := listen.Open(b.cfg.API, listen.Options{})
	if err != nil {
		return err
	}
	srv := api.New(api.Options{
		Cluster: b, Proxy: proxy.New(engine, b.cfg.Logger), Events: b.ring, Env: b.cfg.Env, Logger: b.cfg.Logger,
		Version: b.cfg.Version, Planners: manager.Planners,
	})
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return serve(ctx, listeners, b.cfg.Logger, srv) })
	g.Go(func() error { return b.server.Serve(ctx, b.cfg.Listener) })
	g.Go(func() error { return b.part.run(ctx, b.ring) })
	g.Go(func() error { return b.enter(ctx) })
	g.Go(func() error { return recheck(ctx, b.part, b.server) })
	return g.Wait()
}

// enter has the group take this manager in.
func (b *Bare) enter(ctx context.Context) error {
	for !b.Entered() {
		if err := b.part.askToEnter(ctx, b.ms.Managers, b.ms.AdvertiseAddr); err != nil && ctx.Err() == nil {
			b.cfg.Logger.Info("this manager is not a member of the managers' group yet; it is tried again", "err", err)
		}
		if err := b.cfg.Env.Pause(ctx, enterRetry/10); err != nil {
			return err
		}
	}
	return nil
}

// Entered reports whether this manager has a vote in the group, as far as it knows.
func (b *Bare) Entered() bool { return b.part.entered(b.ms.AdvertiseAddr) }

// LogBytes is how much was written to the log on disk since it was opened, snapshots apart.
func (b *Bare) LogBytes() int64 { return b.part.log.Written() }

// Replicated is the manager's share of the cluster's state.
func (b *Bare) Replicated() *manager.Manager { return b.part.manager }

// Self is this manager as others reach it.
func (b *Bare) Self() remote.Manager {
	return remote.Manager{Node: b.ms.Node, Addr: b.ms.AdvertiseAddr}
}

// ManagerToken is what another manager joins with.
func (b *Bare) ManagerToken() (string, error) {
	v := b.part.manager.Store().View()
	c, root := store.TheCluster(v), store.TheRoot(v)
	if c == nil || root == nil {
		return "", errors.New("this manager does not have the cluster's state yet")
	}
	return identity.Token(root.Digest, c.ManagerToken), nil
}

var _ api.Cluster = (*Bare)(nil)

// errBare is what a manager without a node says to what concerns nodes.
var errBare = errors.New("this manager has no node around it: it can neither found, join nor leave a cluster")

// Init implements [api.Cluster].
func (b *Bare) Init(context.Context, swarm.InitRequest) (string, error) { return "", errBare }

// Leave implements [api.Cluster].
func (b *Bare) Leave(context.Context, bool) error { return errBare }

// Manager implements [api.Cluster].
func (b *Bare) Manager() api.Manager { return b.part.front }

// State implements [api.Cluster].
func (b *Bare) State() api.State {
	return api.State{Local: swarm.LocalNodeStateActive, NodeID: b.ms.Node, Addr: hostOf(b.ms.AdvertiseAddr), Leader: b.part.manager.Leader()}
}

// Admit writes down that nodes have come whose certificates the caller has issued with [Bare.Authority]: what as many joins
// would, in few batches. Only the leader can.
func (b *Bare) Admit(ctx context.Context, nodes []AdmittedNode) error {
	spec := model.DocOf(swarm.NodeSpec{Role: swarm.NodeRoleWorker, Availability: swarm.NodeAvailabilityActive, Annotations: swarm.Annotations{Labels: map[string]string{}}})
	var changes []store.Change
	for _, n := range nodes {
		changes = append(changes,
			store.NodeSpecs.Put(&model.NodeSpec{ID: n.ID, Spec: spec}),
			store.NodeIdentities.Put(&model.NodeIdentity{ID: n.ID, Role: model.RoleWorker, Cert: n.Cert.Cert, NotAfter: n.Cert.NotAfter.UnixNano()}))
	}
	_, err := b.part.manager.Commit(&store.Batch{Writer: store.WriterJoin, Changes: changes}).Wait(ctx)
	if err != nil {
		return fmt.Errorf("write down %d nodes: %w", len(nodes), err)
	}
	return nil
}

// AdmittedNode is a node that has a certificate.
type AdmittedNode struct {
	ID   model.ID
	Cert identity.NodeCert
}

// Authority signs certificates of this cluster's nodes.
func (b *Bare) Authority() (a identity.Authority, cluster model.ID) {
	v := b.part.manager.Store().View()
	return identity.Issuing(store.TheRoot(v), nil), b.ms.Cluster
}
