package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/skep-org/skep/internal/agent"
	"github.com/skep-org/skep/internal/api/events"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/executor/docker"
	"github.com/skep-org/skep/internal/executor/socketmount"
	"github.com/skep-org/skep/internal/manager"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/store/wal"
	"github.com/skep-org/skep/internal/wire"
	"golang.org/x/sync/errgroup"
)

// filesDir is where secrets and configs of running tasks are, in memory.
const filesDir = "/run/skep/tasks"

func filesOf(node model.ID) string { return filepath.Join(filesDir, node.String()) }

// member is this node's running part in a cluster: a manager and the agent beside the engine.
type member struct {
	membership
	log      *wal.Log
	manager  *manager.Manager
	agent    *agent.Agent
	executor *docker.Executor
	logger   *slog.Logger

	cancel context.CancelFunc
	done   chan struct{} // closed when nothing of it runs any more
	err    error         // why it ended by itself; read after done
}

// openMember loads a node's membership. Nothing runs until start is called.
func openMember(cfg Config, e env.Env, sockets socketmount.Rewriter, logger *slog.Logger, ms membership) (*member, error) {
	m := &member{membership: ms, logger: logger, done: make(chan struct{})}
	var err error
	if m.log, err = openLog(cfg.DataDir, logger); err != nil {
		return nil, err
	}
	if m.manager, err = manager.Open(manager.Options{Log: m.log, Env: e, Logger: logger, NewTerm: manager.Stages(e)}); err != nil {
		return nil, errors.Join(err, m.log.Close())
	}
	m.executor, err = docker.New(docker.Options{Host: cfg.Engine, NodeID: ms.Node, Files: filesOf(ms.Node), Env: e, Source: sockets.Path})
	if err != nil {
		return nil, errors.Join(err, m.log.Close())
	}
	m.agent, err = agent.NewAgent(agent.Config{
		Options: agent.Options{NodeID: ms.Node}, Env: e, Executor: m.executor, Dialer: m,
		Disk: fileDisk(filepath.Join(cfg.DataDir, swarmDir, assignmentsFile)), Log: logger,
	})
	if err != nil {
		return nil, errors.Join(err, m.executor.Close(), m.log.Close())
	}
	return m, nil
}

// start runs the member beside the caller until stop is called or a part of it fails.
func (m *member) start(ring *events.Ring) {
	ctx, cancel := context.WithCancel(context.Background())
	m.cancel = cancel
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return m.manager.Run(ctx) })
	g.Go(func() error { return m.agent.Run(ctx) })
	g.Go(func() error { return ring.Follow(ctx, m.manager.Store()) })
	g.Go(func() error { return m.keepNetworks(ctx) })
	go func() {
		defer close(m.done)
		err := g.Wait()
		m.err = errors.Join(m.executor.Close(), m.log.Close())
		if err != nil && !errors.Is(err, context.Canceled) {
			m.err = errors.Join(err, m.err)
			m.logger.Error("this node's part in the cluster has ended; its containers run on", "err", err)
		}
	}()
}

// stop ends the member and leaves its containers running.
func (m *member) stop() error {
	m.cancel()
	<-m.done
	return m.err
}

// ready returns when the cluster answers and knows this node's agent.
func (m *member) ready(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-m.done:
			cancel()
		case <-ctx.Done():
		}
	}()
	if err := m.manager.WaitLeading(ctx); err != nil {
		return fmt.Errorf("wait for the cluster to have a leader: %w", errors.Join(err, m.failure()))
	}
	for {
		changed := m.manager.Store().Changed()
		if st := store.NodeStates.ByID(m.manager.Store().View(), m.Node); st != nil && st.State == model.ReachReady {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for this node's agent: %w", errors.Join(ctx.Err(), m.failure()))
		}
	}
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

// dialRetry is how long the agent's next try waits for this node's manager to lead.
const dialRetry = 50 * time.Millisecond

// Dial implements [wire.Dialer]: the agent's manager is in this process.
func (m *member) Dial(ctx context.Context) (wire.Session, error) {
	if err := m.manager.WaitLeading(ctx); err != nil {
		return nil, err
	}
	for {
		s, err := m.manager.Connect(m.Node, m.host())
		if !errors.Is(err, store.ErrNotLeader) || !m.manager.Leading() {
			return s, err
		}
		select { // the term is about to begin
		case <-time.After(dialRetry):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// fileDisk keeps the agent's memory in a file.
type fileDisk string

// assignmentsFile is below the membership's directory, so that it goes with it.
const assignmentsFile = "assignments"

// Load implements [agent.Disk].
func (f fileDisk) Load() ([]byte, error) {
	b, err := os.ReadFile(string(f))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

// Save implements [agent.Disk].
func (f fileDisk) Save(b []byte) error {
	next := string(f) + ".new"
	if err := writeDurably(next, b); err != nil {
		return err
	}
	if err := os.Rename(next, string(f)); err != nil {
		return err
	}
	return syncDir(filepath.Dir(string(f)))
}
