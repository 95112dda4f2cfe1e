package node

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/skep-org/skep/internal/manager/roles"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/node/remote"
	"github.com/skep-org/skep/internal/store"
	"golang.org/x/sync/errgroup"
)

const (
	// enterRetry is how often a manager looks whether it is a member of the group and hears of its leader. It is longer
	// than an election takes, so that an ordinary change of leaders is over by then.
	enterRetry = 2 * time.Second
	// handOverWait bounds how long a leader that stops waits for another to lead.
	handOverWait = 3 * time.Second
)

// errDemoted ends a manager's part when the node's certificate is a worker's, or when the group is another one by now:
// then the node becomes a manager again at once, with nothing.
var errDemoted = errors.New("this node is a manager no more")

// manage runs the node's part as a manager whenever its certificate makes it one.
func (m *member) manage(ctx context.Context) error {
	for {
		if !m.membership().Manager {
			if err := m.awaitRole(ctx, model.RoleManager); err != nil {
				return err
			}
			if err := m.promote(); err != nil {
				return fmt.Errorf("become a manager: %w", err)
			}
		}
		err := m.serveAsManager(ctx)
		if !errors.Is(err, errDemoted) {
			return err
		}
		if err := m.demote(); err != nil {
			return fmt.Errorf("cease to be a manager: %w", err)
		}
	}
}

// awaitRole returns when the node's certificate has a role.
func (m *member) awaitRole(ctx context.Context, want model.Role) error {
	for {
		m.mu.Lock()
		changed := m.changed
		m.mu.Unlock()
		if m.keys.role() == want {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// promote makes an empty log, under a raft id no member ever had.
func (m *member) promote() error {
	id := m.env.NewID()
	become := func(ms *membership) {
		ms.Manager, ms.RaftID = true, binary.BigEndian.Uint64(id[:8])|1<<63 // never the founder's
	}
	if err := os.RemoveAll(raftDirOf(m.cfg.DataDir)); err != nil {
		return err
	}
	ms := m.membership()
	become(&ms)
	if err := createLog(m.dir(), m.vault, ms, m.logger); err != nil {
		return err
	}
	return m.keep(become)
}

// demote gives the manager's part of what is on disk up. A node that is to be a manager again at once stays locked; a
// worker is not.
func (m *member) demote() error {
	worker := m.keys.role() != model.RoleManager
	if worker {
		if err := m.vault.Expose(); err != nil {
			return err
		}
	}
	if err := m.keep(func(ms *membership) { ms.Manager, ms.RaftID = false, 0 }); err != nil {
		return err
	}
	if err := os.RemoveAll(raftDirOf(m.cfg.DataDir)); err != nil || !worker {
		return err
	}
	return m.vault.Drop()
}

// keep changes the membership, on disk first. Of two changes at once, as when the list of managers comes while the node
// becomes one, neither is lost.
func (m *member) keep(change func(*membership)) error {
	var err error
	m.update(func() {
		ms := m.ms
		change(&ms)
		if err = ms.save(m.dir()); err == nil {
			m.ms = ms
		}
	})
	return err
}

// serveAsManager runs the node's part until ctx ends, the part fails, or the node is demoted.
func (m *member) serveAsManager(ctx context.Context) error {
	p, err := openPart(partConfig{
		DataDir: m.cfg.DataDir, Vault: m.vault, Membership: m.membership(), Dialer: m.dialer, Secrets: secretDrivers(m.cfg), Storage: csiDrivers(m.cfg),
		Times: m.times.times(), External: m.authorities(), Env: m.env, Logger: m.logger,
	})
	if err != nil {
		return err
	}
	m.update(func() { m.part = p })
	m.server.SetHandlers(m.handlers(p))
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.run(ctx, m.ring) })
	g.Go(func() error { return m.enter(ctx, p) })
	g.Go(func() error { return recheck(ctx, p, m.server) })
	g.Go(func() error { return m.keepLock(ctx, p) })
	g.Go(func() error { return m.keepDelays(ctx, p) })
	g.Go(func() error {
		if err := m.awaitRole(ctx, model.RoleWorker); err != nil {
			return err
		}
		return errDemoted
	})
	err = g.Wait()
	m.update(func() { m.part = nil })
	m.server.SetHandlers(m.handlers(nil))
	return err
}

// enter makes sure, again and again, that the group knows this manager, and at the address it has now. A manager that
// was demoted and promoted faster than it could notice is in no group, and hears of no leader.
func (m *member) enter(ctx context.Context, p *part) error {
	ms := m.membership()
	for told := false; ; {
		if !p.entered(ms.AdvertiseAddr) || p.leader().Addr == "" {
			err := p.askToEnter(ctx, m.managers(), ms.AdvertiseAddr)
			if errors.Is(err, roles.ErrLeftBehind) {
				m.logger.Warn("the cluster goes on without this manager's part in it: the state it has is given up, and it enters anew", "err", err)
				return errDemoted
			}
			if err != nil && ctx.Err() == nil && !told {
				m.logger.Info("this manager is not a member of the managers' group, or the group has no leader; it is tried again", "err", err)
				told = true
			} else if err == nil {
				told = false
			}
		}
		if err := m.env.Pause(ctx, enterRetry); err != nil {
			return err
		}
	}
}

// entered reports whether this manager's own table has it as a voter at addr.
func (p *part) entered(addr string) bool {
	row := store.Members.ByID(p.manager.Store().View(), model.NumID(p.raftID))
	return row != nil && !row.Learner && row.Addr == addr
}

// askToEnter asks the managers, the leader first, until one of them has made this one a voter.
func (p *part) askToEnter(ctx context.Context, managers []remote.Manager, addr string) error {
	var errs []error
	for _, to := range leaderFirst(managers) {
		if to.Addr == addr {
			continue // itself
		}
		err := p.dialer.Enter(ctx, to, p.raftID, addr, p.manager.Store().View().Index())
		if err == nil || errors.Is(err, roles.ErrLeftBehind) {
			return err
		}
		errs = append(errs, err)
	}
	if len(errs) == 0 {
		return errors.New("this node knows no other manager")
	}
	return errors.Join(errs...)
}

func leaderFirst(list []remote.Manager) []remote.Manager {
	var out []remote.Manager
	for _, leader := range []bool{true, false} {
		for _, one := range list {
			if one.Leader == leader {
				out = append(out, one)
			}
		}
	}
	return out
}

// handOver lets another member lead before this one goes. A group of one has nobody to hand over to.
func (p *part) handOver(logger *slog.Logger) {
	if !p.manager.Leading() || len(p.managers()) < 2 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), handOverWait)
	defer cancel()
	if err := p.manager.Replica().Transfer(ctx, 0); err != nil {
		logger.Warn("leadership could not be handed over", "err", err)
	}
}

// recheck ends the streams of nodes that are removed or demoted, as soon as this manager knows.
func recheck(ctx context.Context, p *part, server *remote.Server) error {
	return p.follow(ctx, func(events []store.Event, _ store.View, whole bool) {
		again := !whole
		for _, e := range events {
			switch e.Table {
			case store.NodeSpecs.ID(), store.NodeIdentities.ID(), store.Revocations.ID(), store.Members.ID():
				again = true
			}
		}
		if again {
			server.Recheck()
		}
	})
}

// follow tells see of all that changes in this manager's state until ctx ends; whole is false when changes were missed.
func (p *part) follow(ctx context.Context, see func(events []store.Event, view store.View, whole bool)) error {
	s := p.manager.Store()
	after := s.View().Index()
	for {
		changed := s.Changed()
		events, view, whole := s.Events(after)
		after = view.Index()
		see(events, view, whole)
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (m *member) dir() string { return dirOf(m.cfg.DataDir) }

func dirOf(dataDir string) string { return filepath.Join(dataDir, swarmDir) }

// raftDirOf is where a manager's log and snapshots are.
func raftDirOf(dataDir string) string { return filepath.Join(dataDir, swarmDir, raftDir) }
