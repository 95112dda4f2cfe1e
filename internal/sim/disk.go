package sim

import (
	"io"
	"time"

	"github.com/skep-org/skep/internal/store/raft"
	pb "go.etcd.io/raft/v3/raftpb"
)

// disk is a member's log, which outlives it. Without a planted bug it is the log and nothing else.
type disk struct {
	*raft.MemoryLog
	w    *world
	held []func() error // saves that a dropped fsync left in memory
}

// Save implements [raft.Log].
func (d *disk) Save(hard *pb.HardState, entries []*pb.Entry, sync bool) error {
	save := func() error { return d.MemoryLog.Save(hard, entries, sync) }
	if !d.w.has(bugLostFsync) {
		return save()
	}
	for _, earlier := range d.held {
		if err := earlier(); err != nil {
			return err
		}
	}
	d.held = []func() error{save}
	return nil
}

// crash loses what was not synced; of a write under way a part is there.
func (d *disk) crash(write *raft.Write) {
	lost := 0
	if write != nil {
		lost = d.w.rng.IntN(len(write.Entries) + 1)
		if len(d.held) > 0 {
			lost = len(write.Entries)
		}
	}
	d.held = nil
	if err := d.Tear(write, lost); err != nil {
		d.w.fail("tear the log: %w", err)
	}
}

// fsync draws how long a write takes.
func (m *member) fsync() time.Duration {
	if m.slow {
		return m.w.upTo(1500 * time.Millisecond)
	}
	return m.w.upTo(8 * time.Millisecond)
}

// persist begins a write and reports its end to the log's machine.
func (m *member) persist(write *raft.Write) {
	if m.w.has(bugEarlyDurable) && write.Snapshot == nil {
		m.flushed = m.flushed.Add(m.fsync()) // one write after the other, still
		if m.flushed.Before(m.w.now()) {
			m.flushed = m.w.now()
		}
		m.wrote(write)
		m.w.after(m.flushed.Sub(m.w.now()), m.proc.do(func() { m.save(write) }))
		return
	}
	m.writing = write
	m.w.after(max(m.fsync(), m.flushed.Sub(m.w.now())), m.proc.do(func() {
		m.writing = nil
		if m.save(write) {
			m.wrote(write)
		}
	}))
}

// save writes, unless the disk is full: then the manager stops, as production's does, and is started again.
func (m *member) save(write *raft.Write) bool {
	if m.full {
		m.w.trace("m%d: the disk is full: the manager stops", m.id)
		m.crash(false)
		return false
	}
	if err := write.Persist(m.disk); err != nil {
		m.w.fail("m%d: write the log: %w", m.id, err)
		return false
	}
	return true
}

func (m *member) wrote(write *raft.Write) {
	if err := m.machine.Wrote(write); err != nil {
		m.w.fail("m%d: %w", m.id, err)
		return
	}
	m.raft.poke()
}

// snapshot writes a snapshot beside the log.
func (m *member) snapshot(job *raft.SnapshotJob) {
	m.w.after(m.w.upTo(50*time.Millisecond), m.proc.do(func() {
		if m.full {
			m.w.trace("m%d: no room for a snapshot: the manager stops", m.id)
			m.crash(false)
			return
		}
		if err := job.Run(m.disk); err != nil {
			m.w.fail("m%d: snapshot: %w", m.id, err)
			return
		}
		m.machine.Snapshotted(job)
		m.raft.poke()
	}))
}

func copyFrom(body io.Reader) func(io.Writer) error {
	return func(to io.Writer) error {
		_, err := io.Copy(to, body)
		return err
	}
}
