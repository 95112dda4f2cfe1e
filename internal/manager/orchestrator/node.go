package orchestrator

import (
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/manager/constraint"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// node is a node as the orchestrator sees it.
type node struct {
	state   *model.NodeState
	gone    bool // it was removed
	lost    bool // gone or down: nothing on it can be waited for
	drained bool
	ready   bool // heard and active: it takes new tasks
	attrs   constraint.Node
}

// node returns a node; one that does not exist is gone.
func (p *plan) node(id model.ID) *node {
	if n := p.nodes[id]; n != nil {
		return n
	}
	spec, state := store.NodeSpecs.ByID(p.v, id), store.NodeStates.ByID(p.v, id)
	n := &node{state: state, gone: spec == nil || state == nil}
	n.lost = n.gone || state.State == model.ReachDown
	if !n.gone {
		availability := spec.Spec.Get().Availability
		n.drained = availability == swarm.NodeAvailabilityDrain
		n.ready = state.State == model.ReachReady && (availability == swarm.NodeAvailabilityActive || availability == "")
		n.attrs = constraint.NodeOf(spec, state, p.role(id))
	}
	p.nodes[id] = n
	return n
}

func (p *plan) role(id model.ID) model.Role {
	if i := store.NodeIdentities.ByID(p.v, id); i != nil {
		return i.Role
	}
	return model.RoleWorker
}

// leave says why a task of a revision may not stay on the node; ReasonNone: it may.
func (n *node) leave(r *revision) model.Reason {
	switch {
	case n.lost:
		return model.ReasonNodeGone
	case n.drained:
		return model.ReasonDrained
	case !constraint.Match(r.constraints, n.attrs):
		return model.ReasonConstraint
	}
	return model.ReasonNone
}

// orphaned is when the node's tasks count as orphaned; zero when they do not, or do already.
func (n *node) orphaned(now time.Time) time.Time {
	if n.gone || n.state.State != model.ReachDown {
		return time.Time{}
	}
	if at := time.Unix(0, n.state.Since).Add(model.OrphanAfter); at.After(now) {
		return at
	}
	return time.Time{}
}
