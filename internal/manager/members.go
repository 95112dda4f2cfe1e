package manager

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/skep-org/skep/internal/manager/group"
	"github.com/skep-org/skep/internal/manager/roles"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// membersWait bounds how long the leader's word on the managers is waited for. It is asked after a read, which has
// waited for a leader already.
const membersWait = 2 * time.Second

// Members are the managers with who of them answers, as the leader sees it. Where none tells in time it is a guess by
// what the nodes' agents say.
func (f Front) Members(ctx context.Context) (roles.Group, error) {
	limited, cancel := context.WithTimeout(ctx, membersWait)
	defer cancel()
	for {
		l, changed := f.replicated.leadership()
		g, err := roles.Group(nil), store.ErrNotLeader
		switch {
		case l.Leading:
			g, err = f.group.Members(limited)
		case l.Leader != 0 && f.LeaderView != nil:
			g, err = until(limited, changed, f.LeaderView)
		}
		if err == nil {
			return g, nil
		}
		if !errors.Is(err, store.ErrNotLeader) || !f.again(limited, changed) {
			return roles.Of(f.store.View(), f.Leader()), ctx.Err()
		}
	}
}

// until gives up when the leader that is asked is none any more.
func until[R any](ctx context.Context, changed <-chan struct{}, ask func(context.Context) (R, error)) (R, error) {
	asking, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-changed:
			cancel()
		case <-asking.Done():
		}
	}()
	r, err := ask(asking)
	if err != nil && asking.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("%w: %w", store.ErrNotLeader, err)
	}
	return r, err
}

// again waits for another leader, or a little; false: ctx has ended.
func (f Front) again(ctx context.Context, changed <-chan struct{}) bool {
	retry, stop := f.opt.Env.NewTimer(LeaderRetry)
	defer stop()
	select {
	case <-changed:
	case <-retry:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// Leader is the node that leads, as far as this manager knows; zero when it knows of none.
func (m *Manager) Leader() model.ID {
	l := m.replica.Leadership()
	if row := store.Members.ByID(m.store.View(), model.NumID(l.Leader)); row != nil && l.Leader != 0 {
		return row.NodeID
	}
	return model.ID{}
}

// Group changes the managers' group. A term that is to carry out demotions runs it beside its stages.
func (m *Manager) Group() *group.Group { return m.group }
