package group

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/manager/roles"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/store/raft"
)

// Replica is this manager's part in the group; *raft.Replica is one.
type Replica interface {
	Status(context.Context) (raft.Status, error)
	Change(context.Context, raft.Change) error
	Transfer(ctx context.Context, to uint64) error
}

// State is the cluster's state as this manager has it.
type State interface {
	Fresh(context.Context) (store.View, error)
	Store() *store.Store
}

// Options are what a [Group] is made of.
type Options struct {
	Replica Replica
	State   State
	Env     env.Env
	Logger  *slog.Logger
}

// Group changes the managers' group where this manager leads. Its methods may be called from anywhere.
type Group struct {
	opt   Options
	pulse pulse
	turn  chan struct{} // holds one: who has it checks and changes
}

// New makes a group.
func New(opt Options) *Group { return &Group{opt: opt, turn: make(chan struct{}, 1)} }

// retry is how long a change waits that another change stands in the way of.
const retry = 50 * time.Millisecond

// Members are the members of the group with who of them answers; store.ErrNotLeader where this manager does not lead.
func (g *Group) Members(ctx context.Context) (roles.Group, error) {
	members, _, err := g.look(ctx)
	return members, err
}

// look returns when the members that answer have had the time to.
func (g *Group) look(ctx context.Context) (roles.Group, raft.Status, error) {
	for {
		st, err := g.opt.Replica.Status(ctx)
		if err != nil {
			return nil, st, leaderError(err)
		}
		if !st.Leading {
			return nil, st, store.ErrNotLeader
		}
		members, settled := g.pulse.take(st, g.opt.Env.Now())
		if settled {
			return members, st, nil
		}
		if err := g.opt.Env.Pause(ctx, retry); err != nil {
			return nil, st, err
		}
	}
}

// exclusive runs f when nobody else checks or changes the group, again while an earlier change is under way.
func (g *Group) exclusive(ctx context.Context, f func() error) error {
	for {
		select {
		case g.turn <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		err := f()
		<-g.turn
		if !errors.Is(err, raft.ErrChangePending) && !errors.Is(err, raft.ErrBusy) {
			return leaderError(err)
		}
		if perr := g.opt.Env.Pause(ctx, retry); perr != nil {
			return fmt.Errorf("%w: %w", perr, err)
		}
	}
}

// leaderError makes raft's word for it the store's: whoever asked goes to the manager that leads.
func leaderError(err error) error {
	if errors.Is(err, raft.ErrNotLeader) || errors.Is(err, raft.ErrStopped) {
		return fmt.Errorf("%w: %w", store.ErrNotLeader, err)
	}
	return err
}
