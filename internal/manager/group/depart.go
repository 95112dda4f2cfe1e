package group

import (
	"context"
	"errors"
	"fmt"

	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/manager/roles"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/store/raft"
)

// Depart takes a node's manager out of the group, as when the node leaves the cluster. It is refused with
// [roles.ErrQuorum] when the members that stay would not have a majority that answers, unless forced; forced it may
// take until ctx ends, for a group without a majority changes no more. The last member cannot depart: nothing would be
// left to take it from.
//
// A leader that departs hands leadership over; the answer is store.ErrNotLeader, and it asks the new leader.
func (g *Group) Depart(ctx context.Context, peer identity.Peer, id uint64, force bool) error {
	err := g.exclusive(ctx, func() error {
		members, _, err := g.look(ctx)
		if err != nil {
			return err
		}
		for _, m := range members {
			if m.RaftID != id {
				continue
			}
			if m.Node != peer.Node {
				return fmt.Errorf("member %x of the group is another node's", id)
			}
			if err := members.Remove(id); err != nil && !(force && errors.Is(err, roles.ErrQuorum)) {
				return err
			}
			return g.remove(ctx, members, m)
		}
		return nil // it has departed already
	})
	if err != nil {
		return fmt.Errorf("take node %s out of the managers' group: %w", peer.Node, err)
	}
	return nil
}

// remove takes a member out, or, when it leads, makes another lead who will.
func (g *Group) remove(ctx context.Context, members roles.Group, m roles.Member) error {
	if m.Leader {
		if err := g.opt.Replica.Transfer(ctx, g.successor(members)); err != nil {
			return fmt.Errorf("hand leadership over before the leader goes: %w", err)
		}
		return fmt.Errorf("leadership was handed over: %w", store.ErrNotLeader)
	}
	if err := g.opt.Replica.Change(ctx, raft.Change{Remove: []uint64{m.RaftID}}); err != nil {
		return err
	}
	g.opt.Logger.Info("a manager has left the managers' group", "node", m.Node, "member", m.RaftID)
	return nil
}

// successor is a member that stays and answers; 0 leaves the choice to raft.
func (g *Group) successor(members roles.Group) uint64 {
	v := g.opt.State.Store().View()
	for _, m := range members {
		if m.Active && !m.Learner && !m.Leader && roles.Wanted(v, m.Node) {
			return m.RaftID
		}
	}
	return 0
}
