package roles

import (
	"errors"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// Why a manager may not go, in swarm's words.
var (
	ErrLastManager = errors.New("attempting to demote the last manager of the swarm")
	ErrQuorum      = errors.New("can't remove member from the raft: this would result in a loss of quorum")
)

// ErrLeftBehind says that a manager's log is not of this group: its member was removed, or it is of the group that the
// cluster had before it was begun anew. It has to come with a new log, under a new id: members of the old group that come
// back would take the old one for theirs.
var ErrLeftBehind = errors.New("this manager was left behind: the managers' group has no such member any more")

// Member is one member of the managers' group as its leader sees it, or as another manager guesses.
type Member struct {
	RaftID  uint64
	Node    model.ID
	Addr    string
	Learner bool // it does not vote yet, and is missed by nobody
	Leader  bool
	Active  bool // it answers
}

// Group is the members of the managers' group.
type Group []Member

// Quorum says whether the group can lose the members that go. Those that stay, less the ones that do not answer, must
// be a majority of those that stay.
func (g Group) Quorum(goes func(Member) bool) error {
	stay, active := 0, 0
	for _, m := range g {
		if m.Learner || goes(m) {
			continue
		}
		stay++
		if m.Active {
			active++
		}
	}
	switch {
	case stay == 0:
		return ErrLastManager
	case active < stay/2+1:
		return ErrQuorum
	}
	return nil
}

// Remove says whether one member can go.
func (g Group) Remove(raftID uint64) error {
	for _, m := range g {
		if m.RaftID == raftID && m.Learner {
			return nil
		}
	}
	return g.Quorum(func(m Member) bool { return m.RaftID == raftID })
}

// Demote says whether a node's role may be changed to worker, given that others are on their way out already.
func (g Group) Demote(v store.View, node model.ID) error {
	for _, m := range g {
		if m.Node == node && !m.Learner {
			return g.Quorum(func(m Member) bool { return m.Node == node || !Wanted(v, m.Node) })
		}
	}
	return nil // a promotion that has not come about is taken back
}

// Unwanted lists the members whose nodes are not asked to be managers any more: first those that do not vote or do not
// answer, for the group is better off without them, and the leader last.
func (g Group) Unwanted(v store.View) []Member {
	var out, voters, leader []Member
	for _, m := range g {
		switch {
		case Wanted(v, m.Node):
		case m.Leader:
			leader = append(leader, m)
		case m.Learner || !m.Active:
			out = append(out, m)
		default:
			voters = append(voters, m)
		}
	}
	return append(append(out, voters...), leader...)
}

// Wanted says whether a node is asked to be a manager.
func Wanted(v store.View, node model.ID) bool {
	spec := store.NodeSpecs.ByID(v, node)
	return spec != nil && spec.Spec.Get().Role == swarm.NodeRoleManager
}

// Of guesses the group from the tables, for a manager that does not lead: a member answers when its node's agent is
// heard. Whoever leads knows better and decides.
func Of(v store.View, leader model.ID) Group {
	var g Group
	for m := range store.Members.All(v) {
		state := store.NodeStates.ByID(v, m.NodeID)
		g = append(g, Member{RaftID: m.RaftID, Node: m.NodeID, Addr: m.Addr, Learner: m.Learner, Leader: m.NodeID == leader,
			Active: m.NodeID == leader || state == nil || state.State != model.ReachDown})
	}
	return g
}
