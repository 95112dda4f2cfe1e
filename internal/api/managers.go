package api

import (
	"context"
	"fmt"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/api/httperr"
	"github.com/skep-org/skep/internal/manager/roles"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// Grouped is a Manager that knows which managers answer. Where it is not implemented, the nodes' states tell.
type Grouped interface {
	Members(ctx context.Context) (roles.Group, error)
}

// statsLimit is how long an answer waits for news of the managers; swarm's own limit.
const statsLimit = 5 * time.Second

// group is the managers as far as can be told.
func (r *request) group(v store.View, m Manager) roles.Group {
	if g, ok := m.(Grouped); ok {
		ctx, cancel := context.WithTimeout(r.Context(), statsLimit)
		defer cancel()
		if members, err := g.Members(ctx); err == nil {
			return members
		}
	}
	return roles.Of(v, r.server.Cluster.State().Leader)
}

// checkRole says whether a node may be asked to take a role, and which rows must still be as they are when it is: those
// of the managers that are counted on to stay.
func (r *request) checkRole(v store.View, m Manager, old *model.NodeSpec, asked swarm.NodeRole) ([]store.Condition, error) {
	if asked != swarm.NodeRoleWorker || old.Spec.Get().Role != swarm.NodeRoleManager {
		return nil, nil
	}
	g := r.group(v, m)
	if err := g.Demote(v, old.ID); err != nil {
		return nil, httperr.BadRequest("%s", err)
	}
	var conditions []store.Condition
	for _, m := range g {
		if spec := store.NodeSpecs.ByID(v, m.Node); spec != nil && m.Node != old.ID {
			conditions = append(conditions, store.NodeSpecs.At(spec))
		}
	}
	return conditions, nil
}

// Sentences of a manager's leaving, as Docker puts them together.
const (
	leavingManager = "You are attempting to leave the swarm on a node that is participating as a manager. "
	lastManager    = "Removing the last manager erases all current state of the swarm. Use `--force` to ignore this message. "
	losesQuorum    = "Removing this node leaves %v managers out of %v. Without a Raft quorum your swarm will be inaccessible. "
	onlyForced     = "The only way to restore a swarm that has lost consensus is to reinitialize it with `--force-new-cluster`. " +
		"Use `--force` to suppress this message."
)

// leaveRefusal is what a manager that wants to leave is told: Docker lets none go without force.
func (r *request) leaveRefusal(m Manager) error {
	ctx, cancel := context.WithTimeout(r.Context(), statsLimit)
	defer cancel()
	v, err := m.Fresh(ctx)
	if err != nil {
		return httperr.Unavailable("%s", leavingManager+onlyForced)
	}
	self, reachable, unreachable := false, 0, 0
	for _, one := range r.group(v, m) {
		switch {
		case one.Learner:
			continue
		case one.Active:
			reachable++
		default:
			unreachable++
		}
		self = self || one.Active && one.Node == r.server.Cluster.State().NodeID
	}
	switch {
	case self && reachable == 1 && unreachable == 0:
		return httperr.Unavailable("%s", leavingManager+lastManager)
	case self && reachable-2 <= unreachable:
		return httperr.Unavailable("%s", leavingManager+fmt.Sprintf(losesQuorum, reachable-1, reachable+unreachable)+onlyForced)
	}
	return httperr.Unavailable("%s", leavingManager+onlyForced)
}
