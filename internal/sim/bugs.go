package sim

import (
	"github.com/skep-org/skep/internal/manager/dispatcher"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/store/raft"
	"github.com/skep-org/skep/internal/wire"
	"google.golang.org/protobuf/proto"
)

// bug is a mistake that a test plants between the parts of the cluster, to see that it is found. The parts themselves
// know of none.
type bug string

const (
	noBug            bug = ""
	bugLostFsync     bug = "an fsync is dropped"
	bugEarlyDurable  bug = "a write counts as durable while it is under way"
	bugOutOfOrder    bug = "entries are applied out of order"
	bugSkippedEntry  bug = "a member passes over an entry"
	bugOwnClock      bug = "entries are stamped by the member that applies them"
	bugEarlyAnswer   bug = "a write is answered before it is committed"
	bugRetriedWrite  bug = "a write of unknown outcome is tried again"
	bugStaleRead     bug = "reads do not ask the quorum"
	bugTwoTasks      bug = "a slot gets two tasks"
	bugOldReport     bug = "an old report is written again"
	bugMisdirected   bug = "a node's tasks are given to another node, too"
	bugLostChange    bug = "a change of assignments is not sent"
	bugEarlyAnswered bug = "a node says that it balances to a task no more before it does"
	bugLostEndpoint  bug = "an endpoint's change is not sent"
	bugForgotVote    bug = "a member forgets whom it voted for"
	bugDeposed       bug = "the agent takes a deposed leader's assignments"
	bugJobAgain      bug = "a slot of a job gets another task when the next slot begins"
)

// has reports whether a bug is planted; it shows once the cluster is founded.
func (w *world) has(b bug) bool { return w.founded && w.opts.bug == b }

// stamped is the entry a member applies.
func (w *world) stamped(m *member, e raft.Entry) raft.Entry {
	if !w.has(bugOwnClock) {
		return e
	}
	entry, err := store.DecodeEntry(e.Data)
	if err != nil {
		return e
	}
	entry.Time = m.proc.clock.Now().UnixNano()
	if data, err := store.EncodeEntry(entry); err == nil {
		e.Data = data
	}
	return e
}

// committer is what the stages of a term commit through.
func (w *world) committer(m *member) store.Committer {
	if w.has(bugTwoTasks) || w.has(bugOldReport) || w.has(bugJobAgain) {
		return &meddler{Replicated: m.rep, w: w}
	}
	return m.rep
}

// meddler changes what stages commit.
type meddler struct {
	Replicated store.Committer
	w          *world
	old        *store.Batch // with a report
}

// Commit implements [store.Committer].
func (c *meddler) Commit(b *store.Batch) *store.Pending {
	for _, change := range b.Changes {
		switch row := change.Row.(type) {
		case *model.Task:
			if c.w.has(bugTwoTasks) && row.Index == 0 && c.w.chance(50) {
				twin := *row
				twin.ID = c.w.newID()
				b.Changes = append(b.Changes, store.Tasks.Put(&twin))
			}
			if c.w.has(bugJobAgain) && row.Index == 0 && row.Desired == model.StateComplete && row.Slot > 0 {
				again := *row
				again.ID, again.Slot = c.w.newID(), row.Slot-1
				b.Changes = append(b.Changes, store.Tasks.Put(&again))
			}
		case *model.TaskStatus:
			if c.w.has(bugOldReport) && c.old == nil && row.State == model.StatePreparing {
				c.old = &store.Batch{Writer: b.Writer, Changes: []store.Change{change}}
			}
		}
	}
	p := c.Replicated.Commit(b)
	if c.old != nil && c.w.chance(100) {
		c.Replicated.Commit(c.old)
		c.old = nil
	}
	return p
}

// loses reports whether a message to an agent is not sent.
func (w *world) loses(e dispatcher.Envelope) bool {
	a := e.Msg.GetAssignments()
	return w.has(bugLostChange) && a != nil && !a.Full && w.chance(100)
}

// misdirect gives a session's assignments to another node's agent as well.
func (w *world) misdirect(s *session, msg *wire.ManagerMessage) {
	a := msg.GetAssignments()
	if !w.has(bugMisdirected) || a == nil || a.Full || len(a.Tasks) == 0 || !w.chance(20) {
		return
	}
	for _, other := range s.t.inOrder() {
		if other.n != s.n {
			copied := proto.CloneOf(msg)
			copied.GetAssignments().Removed, copied.GetAssignments().Dropped = nil, nil
			other.toAgent(dispatcher.Envelope{Msg: copied})
			return
		}
	}
}

// remembered is what a member finds on its disk when it starts.
func (w *world) remembered(l raft.Loaded) raft.Loaded {
	if w.has(bugForgotVote) && l.Hard != nil {
		l.Hard = proto.CloneOf(l.Hard)
		l.Hard.Vote = new(uint64(0))
	}
	return l
}

// pretend makes assignments as new as the newest that reached the node, so that it does not know them for old.
func (w *world) pretend(n *node, msg *wire.ManagerMessage) {
	a := msg.GetAssignments()
	if a == nil {
		return
	}
	n.newest = max(n.newest, a.Version)
	if w.has(bugDeposed) {
		a.Version = n.newest
	}
}

// forge answers for a node that has not taken a message in yet, or leaves an endpoint out of it.
func (w *world) forge(s *session, msg *wire.ManagerMessage) {
	f := msg.GetFabric()
	switch {
	case f == nil:
	case w.has(bugEarlyAnswered):
		s.t.disp.Deliver(s.m.proc.clock.Now(), s.id, wire.FromFabricApplied(&wire.FabricApplied{Nonce: f.Nonce, Seq: f.Seq}))
		s.t.dispAct.poke()
	case w.has(bugLostEndpoint) && !f.Full && w.chance(20):
		for _, n := range f.Networks {
			n.Endpoints = nil
		}
	}
}
