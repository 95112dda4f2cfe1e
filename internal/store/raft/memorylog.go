package raft

import (
	"bytes"
	"fmt"
	"io"
	"slices"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// MemoryLog is a [Log] for simulation, with the contract of the one on disk: a crash loses what was not synced. It
// belongs to one goroutine.
type MemoryLog struct {
	identity Identity
	now      disk
	synced   disk
	bodies   map[[2]uint64][]byte
}

// disk is the content of the log; its parts are replaced, never changed.
type disk struct {
	hard    *pb.HardState
	entries []*pb.Entry // index of the first is that of snap plus one
	snap    *pb.Snapshot
}

// NewMemoryLog makes an empty log.
func NewMemoryLog(id Identity) *MemoryLog {
	return &MemoryLog{identity: id, bodies: map[[2]uint64][]byte{}}
}

// Load implements [Log].
func (l *MemoryLog) Load() (Loaded, error) {
	return Loaded{Identity: l.identity, Hard: l.now.hard, Entries: slices.Clone(l.now.entries), Snapshot: l.now.snap}, nil
}

// Save implements [Log].
func (l *MemoryLog) Save(hard *pb.HardState, entries []*pb.Entry, sync bool) error {
	old := l.now.hard
	if old == nil {
		old = &pb.HardState{}
	}
	if err := l.append(entries); err != nil {
		return err
	}
	if hard != nil {
		l.now.hard = proto.Clone(hard).(*pb.HardState)
		sync = sync || raft.MustSync(hard, old, 0)
	}
	if sync || len(entries) > 0 {
		l.synced = l.now
	}
	return nil
}

func (l *MemoryLog) append(entries []*pb.Entry) error {
	base := l.now.snap.GetMetadata().GetIndex()
	for _, e := range entries {
		if e.GetIndex() <= base {
			continue
		}
		at := e.GetIndex() - base - 1
		if at > uint64(len(l.now.entries)) {
			return fmt.Errorf("raft: entry %d would leave a gap in the log", e.GetIndex())
		}
		if at < uint64(len(l.now.entries)) {
			l.now.entries = slices.Clip(l.now.entries[:at]) // synced may hold the same array
		}
		l.now.entries = append(l.now.entries, proto.Clone(e).(*pb.Entry))
	}
	return nil
}

// Tear is a crash during a write: of what was written but not synced, w's entries but for the last lost ones reached
// the disk, without the state that follows them.
func (l *MemoryLog) Tear(w *Write, lost int) error {
	l.Crash()
	if w != nil && w.Snapshot == nil {
		if err := l.append(w.Entries[:max(0, len(w.Entries)-lost)]); err != nil {
			return err
		}
	}
	l.synced = l.now
	return nil
}

// Crash loses what was not synced.
func (l *MemoryLog) Crash() { l.now = l.synced }

// WriteSnapshot implements [Log].
func (l *MemoryLog) WriteSnapshot(meta *pb.Snapshot, body func(io.Writer) error) error {
	var b bytes.Buffer
	if err := body(&b); err != nil {
		return fmt.Errorf("raft: the snapshot at index %d cannot be written: %w", meta.GetMetadata().GetIndex(), err)
	}
	l.bodies[snapKey(meta)] = b.Bytes()
	return nil
}

// Adopt implements [Log].
func (l *MemoryLog) Adopt(meta *pb.Snapshot) error {
	if _, ok := l.bodies[snapKey(meta)]; !ok {
		return fmt.Errorf("raft: there is no snapshot at index %d to adopt", meta.GetMetadata().GetIndex())
	}
	l.now = l.now.adopt(meta)
	l.synced = l.synced.adopt(meta)
	for key := range l.bodies {
		if key[0] < meta.GetMetadata().GetIndex() {
			delete(l.bodies, key)
		}
	}
	return nil
}

func (d disk) adopt(meta *pb.Snapshot) disk {
	base, index, term := d.snap.GetMetadata().GetIndex(), meta.GetMetadata().GetIndex(), meta.GetMetadata().GetTerm()
	if index <= base {
		return d
	}
	if i := index - base; i <= uint64(len(d.entries)) && d.entries[i-1].GetTerm() == term {
		d.entries = slices.Clone(d.entries[i:])
	} else {
		d.entries = nil
	}
	d.snap = proto.Clone(meta).(*pb.Snapshot)
	return d
}

// OpenSnapshot implements [Log].
func (l *MemoryLog) OpenSnapshot(meta *pb.Snapshot) (io.ReadCloser, error) {
	b, ok := l.bodies[snapKey(meta)]
	if !ok {
		return nil, fmt.Errorf("raft: there is no snapshot at index %d", meta.GetMetadata().GetIndex())
	}
	return io.NopCloser(bytes.NewReader(b)), nil
}

func snapKey(s *pb.Snapshot) [2]uint64 {
	return [2]uint64{s.GetMetadata().GetIndex(), s.GetMetadata().GetTerm()}
}
