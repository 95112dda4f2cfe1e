package group

import (
	"context"
	"errors"
	"time"

	"github.com/skep-org/skep/internal/manager/roles"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

const (
	// every is how often a leader tries again to remove a member that has to wait.
	every = 250 * time.Millisecond
	// changeLimit bounds one removal, which needs a majority's disks.
	changeLimit = 10 * time.Second
)

// Run removes members whose nodes are not asked to be managers any more, for the length of one leader term. What cannot
// be done without losing the quorum is done when it can.
func (g *Group) Run(ctx context.Context) error {
	told := map[model.ID]string{}
	for {
		changed := g.opt.State.Store().Changed()
		if !g.unwanted() {
			select {
			case <-changed: // nothing is looked at while nothing changes
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err := g.tidy(ctx, told); err != nil && ctx.Err() == nil && !errors.Is(err, store.ErrNotLeader) {
			g.tell(told, model.ID{}, err)
		}
		if err := g.opt.Env.Pause(ctx, every); err != nil {
			return err
		}
	}
}

// unwanted reports whether the table of members has one whose node is not asked to be a manager. The table follows the
// group's changes by raft's own hand.
func (g *Group) unwanted() bool {
	v := g.opt.State.Store().View()
	for m := range store.Members.All(v) {
		if !roles.Wanted(v, m.NodeID) {
			return true
		}
	}
	return false
}

// tidy removes one member at most: the next is decided over the group without it.
func (g *Group) tidy(ctx context.Context, told map[model.ID]string) error {
	members, err := g.Members(ctx)
	if err != nil || len(members.Unwanted(g.opt.State.Store().View())) == 0 {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, changeLimit)
	defer cancel()
	return g.exclusive(ctx, func() error {
		members, _, err := g.look(ctx)
		if err != nil {
			return err
		}
		for _, m := range members.Unwanted(g.opt.State.Store().View()) {
			err := members.Remove(m.RaftID)
			if err == nil {
				delete(told, m.Node)
				return g.remove(ctx, members, m)
			}
			g.tell(told, m.Node, err)
		}
		return nil
	})
}

// tell logs why a member is still there, once for each reason.
func (g *Group) tell(told map[model.ID]string, node model.ID, err error) {
	if told[node] == err.Error() {
		return
	}
	told[node] = err.Error()
	g.opt.Logger.Warn("a demoted manager stays in the managers' group for now; it is tried again", "node", node, "err", err)
}
