package raft

import (
	"fmt"
	"io"

	pb "go.etcd.io/raft/v3/raftpb"
)

// SnapshotJob is a snapshot to be written. The state it writes is fixed.
type SnapshotJob struct {
	Meta  *pb.Snapshot
	Write func(io.Writer) error
	old   uint64 // snapshots to keep beside it
}

// Run writes the snapshot and makes it the one to start from. Afterwards [Machine.Snapshotted] is due.
func (j *SnapshotJob) Run(log Log) error {
	keep(log, j.old)
	if err := log.WriteSnapshot(j.Meta, j.Write); err != nil {
		return err
	}
	return log.Adopt(j.Meta)
}

// keep tells a log that can keep more snapshots than it needs how many.
func keep(log Log, old uint64) {
	if k, can := log.(Keeper); can {
		k.Keep(old)
	}
}

func (m *Machine) snapshotIfDue() {
	s := m.storage
	have := s.snap.GetMetadata().GetIndex()
	due := m.applied-have >= m.retention().SnapshotEntries || m.sinceSnap >= m.cfg.SnapshotBytes || s.wanted
	if m.snapping || !due || m.applied <= have || m.applied < s.baseIndex || m.failed != nil {
		return
	}
	term, err := s.Term(m.applied)
	if err != nil {
		m.failed = fmt.Errorf("raft: the log has no term for the applied index %d: %w", m.applied, err)
		return
	}
	meta, err := m.members.snapshot(m.applied, term)
	if err != nil {
		m.failed = err
		return
	}
	m.snapping, m.sinceSnap, s.wanted = true, 0, false
	m.out.Snapshot = &SnapshotJob{Meta: meta, Write: m.sm.Snapshot(), old: m.retention().OldSnapshots}
}

// retention is what the state machine's owners want kept, or else the configuration.
func (m *Machine) retention() Retention {
	var r Retention
	if asked, can := m.sm.(Retainer); can {
		r = asked.Retention()
	}
	if r.SnapshotEntries == 0 {
		r.SnapshotEntries = m.cfg.SnapshotEntries
	}
	if r.TrailingEntries == 0 {
		r.TrailingEntries = m.cfg.TrailingEntries
	}
	return r
}

// Snapshotted tells that a snapshot is adopted by the log: older entries can be forgotten.
func (m *Machine) Snapshotted(j *SnapshotJob) {
	m.snapping = false
	s := m.storage
	index := j.Meta.GetMetadata().GetIndex()
	if index <= s.snap.GetMetadata().GetIndex() {
		return // a leader's newer one came in meanwhile
	}
	s.snap = j.Meta
	s.compact(s.trailing(index, m.retention().TrailingEntries, m.cfg.TrailingBytes))
}

// restore starts anew from a leader's snapshot.
func (m *Machine) restore(w *Write) error {
	members, err := membersOf(w.Snapshot)
	if err != nil {
		return err
	}
	meta := w.Snapshot.GetMetadata()
	err = m.sm.Restore(w.body, meta.GetIndex(), meta.GetTerm())
	if cerr := w.body.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("raft: the leader's snapshot at index %d cannot be restored: %w", meta.GetIndex(), err)
	}
	m.storage.adopt(w.Snapshot)
	m.storage.confIndex, m.sinceSnap = 0, 0
	m.members, m.applied = members, meta.GetIndex()
	return nil
}
