package model

import "time"

// Observed is a task's state as Docker shows it.
type Observed struct {
	State   State
	Message string
	Err     string
	At      int64 // Unix nanoseconds
	NodeID  ID
}

// OrphanAfter is how long a node may be down before its tasks count as orphaned (swarm's own limit).
const OrphanAfter = 24 * time.Hour

// Messages of the states no agent reports, in swarm's words.
const (
	msgCreated   = "created"
	msgPending   = "pending task scheduling"
	msgAssigned  = "scheduler assigned task to node"
	msgConfirmed = "scheduler confirmed task can run on preassigned node"
	msgNeverRan  = "stopped before it was given to a node"
	msgOrphaned  = "node was removed or has been down for 24 hours"
	msgUnplanned = "pending task allocation"
)

// Observe computes a task's state of the rows its stages wrote; every argument but the task may be nil, which means
// that the stage has not come to it (for node: that there is no such node any more). It is the only place where
// Docker's task states are decided. now is needed for one rule only, [OrphanAfter].
//
// Invariant: as the stages' rows come one after the other, the state never moves backwards; a terminal status is
// final whatever the other rows say. A node that comes back after the limit takes nothing back: with its first word the
// dispatcher writes down that its tasks are orphaned.
func Observe(t *Task, a *Allocation, p *Placement, s *TaskStatus, node *NodeState, now time.Time) Observed {
	o := Observed{At: t.Created, NodeID: t.NodeID}
	placed := p != nil && !p.NodeID.IsZero()
	if placed {
		o.NodeID = p.NodeID
	}
	if s != nil && s.State.Terminal() {
		return o.status(s)
	}
	if placed && lost(node, now) {
		o.State, o.Message, o.At = StateOrphaned, msgOrphaned, t.Updated
		return o
	}
	if s != nil {
		return o.status(s)
	}
	if !placed && t.Desired >= StateShutdown {
		o.State, o.Message, o.At = StateShutdown, msgNeverRan, t.Updated
		return o
	}
	switch {
	case a == nil:
		o.State, o.Message = StateNew, msgCreated
	case !a.Done:
		o.State, o.Message, o.Err, o.At = StateNew, msgUnplanned, a.Err, a.Updated
	case p == nil:
		o.State, o.Message, o.At = StatePending, msgPending, a.Updated
	case !placed:
		o.State, o.Message, o.Err, o.At = StatePending, msgPending, p.Err, p.Updated
	case !t.NodeID.IsZero():
		o.State, o.Message, o.At = StateAssigned, msgConfirmed, p.Updated
	default:
		o.State, o.Message, o.At = StateAssigned, msgAssigned, p.Updated
	}
	return o
}

func (o Observed) status(s *TaskStatus) Observed {
	o.State, o.At = s.State, s.At
	if s.Detail != nil {
		o.Message, o.Err = s.Detail.Message, s.Detail.Err
	}
	if o.Message == "" {
		o.Message = defaultMessage(s.State)
	}
	return o
}

// defaultMessage spares every running task's row a string: these are the words swarm's agent uses.
func defaultMessage(s State) string {
	switch s {
	case StateAccepted:
		return "accepted"
	case StatePreparing:
		return "preparing"
	case StateReady:
		return "prepared"
	case StateStarting:
		return "starting"
	case StateRunning, StateFailed:
		return "started"
	case StateComplete:
		return "finished"
	case StateShutdown:
		return "shutdown"
	case StateRejected:
		return "preparing"
	case StateOrphaned:
		return msgOrphaned
	}
	return ""
}

// lost reports whether nothing more can be heard of a node's tasks.
func lost(node *NodeState, now time.Time) bool {
	return node == nil || node.State == ReachDown && now.Sub(time.Unix(0, node.Since)) >= OrphanAfter
}
