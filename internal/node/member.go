package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/skep-org/skep/internal/agent"
	"github.com/skep-org/skep/internal/api/events"
	"github.com/skep-org/skep/internal/csi/nodeside"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/executor/docker"
	"github.com/skep-org/skep/internal/executor/socketmount"
	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/logs"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/node/remote"
	"github.com/skep-org/skep/internal/node/vault"
	"github.com/skep-org/skep/internal/registry"
	"github.com/skep-org/skep/internal/store"
	"golang.org/x/sync/errgroup"
)

// filesDir is where secrets and configs of running tasks are, in memory.
const filesDir = "/run/skep/tasks"

func filesOf(node model.ID) string { return filepath.Join(filesDir, node.String()) }

// member is this node's running part in a cluster: always an agent beside the engine and a port for other nodes, and
// while the node is a manager its share of the cluster's state.
type member struct {
	cfg      Config
	env      env.Env
	logger   *slog.Logger
	ring     *events.Ring
	vault    *vault.Vault
	keys     *keyring
	dialer   *remote.Dialer
	sessions *remote.AgentDialer
	server   *remote.Server
	agent    *agent.Agent
	porter   *logs.Porter
	respond  *respondent
	executor *docker.Executor
	overlays *overlays
	times    *durations
	registry *registry.Registry // nil: the node has none
	volumes  *nodeside.Node

	mu       sync.Mutex
	ms       membership
	part     *part
	granted  model.Role    // the role the managers last said this node has
	changed  chan struct{} // closed when any of these changes
	welcomed bool          // the managers have spoken to this node's agent
	networks []model.ID    // that assigned tasks need
	words    int           // how often networks was told

	endAgent context.CancelCauseFunc
	agentEnd chan struct{} // closed when the agent runs no more
	cancel   context.CancelFunc
	done     chan struct{} // closed when nothing of it runs any more
	err      error         // why it ended by itself; read after done
}

// openMember loads a node's membership; unlock is the key of a manager that is locked. Nothing runs until start is called.
func openMember(cfg Config, e env.Env, sockets socketmount.Rewriter, ring *events.Ring, logger *slog.Logger, o *overlays, ms membership, unlock string) (*member, error) {
	dir := filepath.Join(cfg.DataDir, swarmDir)
	v, err := vault.Open(dir, ms.Manager, e.Rand, unlock)
	if err != nil {
		return nil, err
	}
	keys, err := openKeyring(v, e, logger)
	if err != nil {
		return nil, err
	}
	m := &member{cfg: cfg, env: e, logger: logger, ring: ring, vault: v, keys: keys, overlays: o, times: newDurations(), ms: ms,
		granted: keys.role(), changed: make(chan struct{}), done: make(chan struct{})}
	m.dialer = remote.NewDialer(remote.DialerConfig{Keys: keys.Keys, Env: e})
	m.sessions = remote.NewAgentDialer(m.managers, m.dialer)
	m.server = remote.NewServer(remote.Config{Cluster: ms.Cluster, Keys: keys.Keys, Allowed: m.allowed, Env: e, Logger: logger})
	m.executor, err = docker.New(docker.Options{Host: cfg.Engine, NodeID: ms.Node, Files: filesOf(ms.Node), Env: e, Source: sockets.Path, Plane: o,
		RegistryAuth: m.registryAuth})
	if err != nil {
		return nil, err
	}
	if err := m.openRegistry(); err != nil {
		return nil, errors.Join(err, m.executor.Close())
	}
	m.server.SetHandlers(m.handlers(nil))
	m.porter, m.respond = m.newPorter(), m.newRespondent()
	m.volumes = nodeVolumes(cfg, e)
	left, err := m.volumes.Left()
	if err != nil {
		return nil, errors.Join(err, m.executor.Close())
	}
	m.agent, err = agent.NewAgent(agent.Config{
		Options: agent.Options{NodeID: ms.Node, Together: together(), Volumes: left}, Volumes: m.volumes, Env: e, Executor: m.executor, Dialer: m,
		Disk: fileDisk(filepath.Join(dir, assignmentsFile)), Log: logger, Peers: m.told, Networks: m.needNetworks,
		OpenLogs: m.porter.Open, CloseLogs: m.porter.Close, Question: m.respond.ask, Fabric: o.take,
		Underlay: ms.reachedAt,
	})
	if err != nil {
		return nil, errors.Join(err, m.executor.Close())
	}
	m.agent.Certified(m.keys.Keys().TLSInfo())
	o.connect(m.agent)
	return m, nil
}

// together is how many containers are made and started at a time: more only get in each other's way, and the engine's.
func together() int { return max(4, 2*runtime.GOMAXPROCS(0)) }

// start listens for other nodes and runs the member beside the caller until stop is called or a part of it fails.
func (m *member) start() error {
	l, err := net.Listen("tcp", m.ms.ListenAddr)
	if err != nil {
		return fmt.Errorf("listen for other nodes at %s: %w; name another address with --listen-addr", m.ms.ListenAddr, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	m.cancel, m.agentEnd = cancel, make(chan struct{})
	g, ctx := errgroup.WithContext(ctx)
	agentCtx, endAgent := context.WithCancelCause(ctx)
	m.endAgent = endAgent
	g.Go(func() error { return m.server.Serve(ctx, l) })
	g.Go(func() error {
		err := m.agent.Run(agentCtx)
		close(m.agentEnd)
		if agentCtx.Err() != nil && !errors.Is(err, agent.ErrRemoved) {
			<-ctx.Done() // it was ended first; the rest of the member has still to hand over
		}
		return err
	})
	g.Go(func() error { return m.keys.run(ctx, m.renew, m.renewed) })
	g.Go(func() error { return m.manage(ctx) })
	g.Go(func() error { return m.keepNetworks(ctx) })
	g.Go(func() error { return m.porter.Run(ctx) })
	g.Go(func() error { return m.respond.run(ctx) })
	g.Go(func() error { return m.serveRegistry(ctx) })
	g.Go(func() error { return m.volumes.Watch(ctx, m.agent.SetDrivers) })
	go func() {
		defer close(m.done)
		err := g.Wait()
		m.dialer.Close()
		m.err = m.executor.Close()
		switch {
		case err == nil, errors.Is(err, context.Canceled), errors.Is(err, agent.ErrLeaving):
			return
		case !errors.Is(err, agent.ErrRemoved):
			m.logger.Error("this node's part in the cluster has ended; its containers run on", "err", err)
		}
		m.err = errors.Join(err, m.err)
	}()
	return nil
}

// stop ends the member and leaves its containers running. The agent says goodbye first, cause tells it why; then a leader
// hands over.
func (m *member) stop(cause error) error {
	m.endAgent(cause)
	<-m.agentEnd
	if p := m.manager(); p != nil {
		p.handOver(m.logger)
	}
	m.cancel()
	<-m.done
	return m.err
}

// ready returns when the cluster answers and knows this node's agent.
func (m *member) ready(ctx context.Context) error {
	for {
		changed, ok := m.answers(ctx)
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-m.done:
			return fmt.Errorf("this node's part in the cluster ended: %w", m.err)
		case <-ctx.Done():
			return fmt.Errorf("the cluster does not answer this node: %w", ctx.Err())
		}
	}
}

// answers reports whether the node takes part fully, and a channel that closes when it may have changed.
func (m *member) answers(ctx context.Context) (<-chan struct{}, bool) {
	m.mu.Lock()
	ms, p, changed, welcomed := m.ms, m.part, m.changed, m.welcomed
	m.mu.Unlock()
	if !ms.Manager {
		return changed, welcomed
	}
	if p == nil || !welcomed {
		return changed, false
	}
	news := p.manager.Store().Changed()
	v, err := p.front.Fresh(ctx)
	if err != nil {
		return news, false
	}
	st := store.NodeStates.ByID(v, ms.Node)
	return news, st != nil && st.State == model.ReachReady
}

// failure is why the member ended by itself; nil while it runs.
func (m *member) failure() error {
	select {
	case <-m.done:
		return m.err
	default:
		return nil
	}
}

// allowed is the policy of who may call: a manager looks at its tables; a worker, and a manager that has not been given
// the cluster's state yet, believes certificates.
func (m *member) allowed(peer identity.Peer, need model.Role) error {
	return allowed(m.manager(), peer, need)
}

func allowed(p *part, peer identity.Peer, need model.Role) error {
	if p != nil && store.TheCluster(p.manager.Store().View()) != nil {
		return p.authority.Allowed(peer, need)
	}
	if need == model.RoleManager && peer.Role != model.RoleManager {
		return fmt.Errorf("node %s is not a manager", peer.Node)
	}
	return nil
}

// update changes what is guarded by mu and tells who waits.
func (m *member) update(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
	close(m.changed)
	m.changed = make(chan struct{})
}

// manager is this node's part as a manager; nil while it is none.
func (m *member) manager() *part {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.part
}

func (m *member) membership() membership {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ms
}
