package raft

import (
	"fmt"
	"io"
	"slices"

	pb "go.etcd.io/raft/v3/raftpb"
)

// Write is what has to be made durable before the messages that depend on it leave.
type Write struct {
	Snapshot *pb.Snapshot  // nil: none; received earlier, now to be adopted
	Hard     *pb.HardState // nil: unchanged
	Entries  []*pb.Entry
	Sync     bool // Hard must be durable too, even if only its commit index is new

	responses []*pb.Message
	body      io.ReadCloser
	old       uint64 // snapshots to keep beside Snapshot
}

// Persist does the write, with one fsync when it carries no snapshot. Afterwards [Machine.Wrote] is due.
func (w *Write) Persist(log Log) error {
	if w.Snapshot != nil {
		keep(log, w.old)
		if err := log.Adopt(w.Snapshot); err != nil {
			return err
		}
		body, err := log.OpenSnapshot(w.Snapshot)
		if err != nil {
			return err
		}
		w.body = body
	}
	return log.Save(w.Hard, w.Entries, w.Sync)
}

// queue takes over what the library wants written. It joins the last waiting write, so that all that comes up during
// one fsync shares the next; a snapshot begins a new one, as it replaces the entries before it.
func (m *Machine) queue(msg *pb.Message) {
	var w *Write
	if n := len(m.writes); n > 0 && msg.Snapshot == nil {
		w = m.writes[n-1]
	} else {
		w = &Write{Snapshot: msg.Snapshot}
		if msg.Snapshot != nil {
			w.old = m.retention().OldSnapshots
		}
		m.writes = append(m.writes, w)
	}
	if msg.Term != nil || msg.Vote != nil || msg.Commit != nil {
		w.Hard = &pb.HardState{Term: new(msg.GetTerm()), Vote: new(msg.GetVote()), Commit: new(msg.GetCommit())}
	}
	w.Entries = append(w.Entries, msg.GetEntries()...)
	w.responses = append(w.responses, msg.GetResponses()...)
}

// start begins the next write when none is under way. One that carries only a commit index waits for company: after a
// crash the index is learnt again.
func (m *Machine) start() (again bool) {
	if m.writing != nil || len(m.writes) == 0 {
		return false
	}
	w := m.writes[0]
	if len(m.writes) == 1 && w.Snapshot == nil && len(w.responses) == 0 && !w.Sync {
		return false
	}
	m.writes = m.writes[1:]
	m.writing = w
	if w.Snapshot == nil && w.Hard == nil && len(w.Entries) == 0 {
		m.finish(w) // only messages that waited for earlier writes
		return true
	}
	m.out.Write = w
	return false
}

// syncCommit sees to it that a commit index of at least index becomes durable.
func (m *Machine) syncCommit(index uint64) {
	syncs := func(w *Write) bool { return w != nil && w.Sync && w.Hard.GetCommit() >= index }
	if syncs(m.writing) || slices.ContainsFunc(m.writes, syncs) {
		return
	}
	st := m.node.BasicStatus()
	if len(m.writes) == 0 {
		m.writes = append(m.writes, &Write{})
	}
	w := m.writes[len(m.writes)-1]
	w.Sync = true
	w.Hard = &pb.HardState{Term: new(st.GetTerm()), Vote: new(st.GetVote()), Commit: new(st.GetCommit())}
}

// Wrote tells that the write of the last [Output] is durable. An error means that this member cannot go on.
func (m *Machine) Wrote(w *Write) error {
	if w == nil || w != m.writing {
		return fmt.Errorf("raft: a write was reported done that was not under way")
	}
	if w.Snapshot != nil {
		if err := m.restore(w); err != nil {
			return err
		}
	}
	m.finish(w)
	return nil
}

func (m *Machine) finish(w *Write) {
	m.storage.append(w.Entries)
	m.writing = nil
	if w.Sync || len(w.Entries) > 0 {
		m.durable = max(m.durable, w.Hard.GetCommit())
	}
	for _, r := range w.responses {
		if r.GetTo() != m.cfg.ID {
			m.out.Messages = append(m.out.Messages, r)
		} else if err := m.node.Step(r); err != nil {
			m.cfg.Logger.Debug("raft: an answer of the own log was dropped", "type", r.GetType(), "err", err)
		}
	}
}
