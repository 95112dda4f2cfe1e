package group

import (
	"context"
	"fmt"
	"net"
	"slices"

	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/manager/roles"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/store/raft"
)

// Enter makes a node's manager a member that votes, and returns when it does: it is added as a learner, and promoted
// when it has caught up, which is what takes the time. A member that is reached at another address than before enters
// again with its id. The caller must be running its part already, or it never catches up. holds is the index of the state
// it has: one that is not in the group and has a state is left behind ([roles.ErrLeftBehind]).
func (g *Group) Enter(ctx context.Context, peer identity.Peer, id uint64, addr string, holds uint64) error {
	if _, _, err := net.SplitHostPort(addr); err != nil || id == 0 {
		return fmt.Errorf("node %s cannot enter the managers' group as member %x at %q: an id and an address with a port are needed", peer.Node, id, addr)
	}
	e := entry{g: g, member: raft.Member{ID: id, Node: peer.Node.String(), Addr: addr}, node: peer.Node, holds: holds}
	for {
		var done bool
		err := g.exclusive(ctx, func() (err error) {
			done, err = e.step(ctx)
			return err
		})
		if err != nil {
			return fmt.Errorf("take node %s into the managers' group: %w", peer.Node, err)
		}
		if done {
			return nil
		}
		if err := g.opt.Env.Pause(ctx, retry); err != nil {
			return fmt.Errorf("node %s learns the cluster's state and has not caught up yet; it enters again: %w", peer.Node, err)
		}
	}
}

// entry is one member on its way in.
type entry struct {
	g      *Group
	member raft.Member
	node   model.ID
	holds  uint64 // index of the state it came with
	added  bool   // by this entry
	target uint64 // index that the learner must hold; 0: not known yet
}

// step does the next thing and reports whether it was the last.
func (e *entry) step(ctx context.Context) (done bool, err error) {
	members, st, err := e.g.look(ctx)
	if err != nil {
		return false, err
	}
	i := slices.IndexFunc(st.Members, func(m raft.MemberStatus) bool { return m.ID == e.member.ID })
	if i >= 0 && st.Members[i].Node != e.member.Node {
		return false, fmt.Errorf("member %x of the group is another node's", e.member.ID)
	}
	if err := e.granted(ctx); err != nil {
		return false, err
	}
	if i < 0 && e.holds > 0 && !e.added {
		return false, roles.ErrLeftBehind
	}
	if i < 0 {
		e.target, e.added = st.Commit, true
		return false, e.add(ctx, members)
	}
	own := st.Members[i]
	if e.target == 0 {
		e.target = st.Commit
	}
	switch caughtUp := members[i].Active && own.Match >= e.target; {
	case own.Learner && !caughtUp && own.Addr == e.member.Addr:
		return false, nil
	case own.Learner && !caughtUp:
		return false, e.g.opt.Replica.Change(ctx, raft.Change{Learners: []raft.Member{e.member}})
	case !own.Learner && own.Addr == e.member.Addr:
		return true, nil
	}
	if err := e.g.opt.Replica.Change(ctx, raft.Change{Voters: []raft.Member{e.member}}); err != nil {
		return false, err
	}
	e.g.opt.Logger.Info("a manager is a voting member of the managers' group", "node", e.node, "member", e.member.ID, "addr", e.member.Addr)
	return true, nil
}

// granted looks at the newest state: what the node's certificate says may have been taken back.
func (e *entry) granted(ctx context.Context) error {
	v, err := e.g.opt.State.Fresh(ctx)
	if err != nil {
		return err
	}
	if row := store.NodeIdentities.ByID(v, e.node); !roles.Wanted(v, e.node) || row == nil || row.Role != model.RoleManager {
		return fmt.Errorf("node %s is not a manager", e.node)
	}
	return nil
}

// add makes the node a learner, in the place of whatever it was before with another log.
func (e *entry) add(ctx context.Context, members roles.Group) error {
	c := raft.Change{Learners: []raft.Member{e.member}}
	for _, m := range members {
		if m.Node != e.node {
			continue
		}
		if err := members.Remove(m.RaftID); err != nil {
			return err
		}
		c.Remove = append(c.Remove, m.RaftID)
	}
	return e.g.opt.Replica.Change(ctx, c)
}
