package node

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/skep-org/skep/internal/api"
	"github.com/skep-org/skep/internal/api/httperr"
	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/node/vault"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/store/wal"
)

var _ api.Locker = (*cluster)(nil)

// lockRetry is how soon a change of the unlock key that could not be written is tried again.
const lockRetry = 5 * time.Second

// Unlock implements [api.Locker]: a manager that waits for its key takes part again.
func (c *cluster) Unlock(ctx context.Context, key string) error {
	if !c.changing.TryLock() {
		return errBusy
	}
	defer c.changing.Unlock()
	ms := c.lockedAs()
	if ms == nil {
		return httperr.Conflict("swarm is not locked")
	}
	if _, err := identity.ParseUnlockKey(key); err != nil {
		return httperr.BadRequest("%s", err)
	}
	m, err := c.launch(*ms, key)
	if errors.Is(err, vault.ErrWrongKey) {
		return httperr.New(http.StatusUnauthorized, "swarm could not be unlocked: invalid key provided")
	}
	if err != nil {
		return err
	}
	c.logger.Info("this manager was unlocked")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), resumeWait)
	defer cancel()
	if err := m.ready(ctx); err != nil {
		c.logger.Warn("this manager is unlocked, and the cluster does not answer it yet", "err", err)
	}
	return nil
}

// lockedAs is the membership of a manager that waits for the unlock key.
func (c *cluster) lockedAs() *membership {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.locked
}

// keepLock follows the cluster's word on locking its managers: what is on disk is locked with the present key as soon as
// this manager hears of it.
func (m *member) keepLock(ctx context.Context, p *part) error {
	s := p.manager.Store()
	key, _, err := m.vault.Log()
	if err != nil {
		return err
	}
	var told *model.Cluster
	for {
		changed := s.Changed()
		var again <-chan time.Time
		stop := func() {}
		if c := store.TheCluster(s.View()); c != nil && c != told {
			if key, err = m.followLock(p.log, c, key); err == nil {
				told = c
			} else {
				m.logger.Error("the change of the unlock key could not be written; this manager is locked as before, and tries again", "err", err)
				again, stop = m.env.NewTimer(lockRetry)
			}
		}
		select {
		case <-changed:
		case <-again:
		case <-ctx.Done():
			stop()
			return ctx.Err()
		}
		stop()
	}
}

// followLock takes one word of the cluster. It returns the key that the log is sealed with from now on: another one where
// the manager was not locked before. Then its private key, which had been on disk in the clear, is replaced too.
func (m *member) followLock(log *wal.Log, c *model.Cluster, sealing wal.Key) (wal.Key, error) {
	if err := m.vault.Lock(vault.Lock{Key: c.UnlockKey, Version: c.Index}); err != nil {
		return sealing, err
	}
	key, older, err := m.vault.Log()
	if err != nil || key == sealing {
		return sealing, err
	}
	if err := log.Rekey(key, older...); err != nil {
		return sealing, err
	}
	m.keys.renewNow()
	return key, nil
}
