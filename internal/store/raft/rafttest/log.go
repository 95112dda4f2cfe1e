package rafttest

import (
	"bytes"
	"io"
	"sync"
	"time"

	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/skep-org/skep/internal/store/raft"
)

// Log is a [raft.MemoryLog] for a replica, whose writers are goroutines of their own.
type Log struct {
	mu sync.Mutex
	*raft.MemoryLog
	takes time.Duration
	fail  error
}

// NewLog makes an empty log. Each save takes as long as told.
func NewLog(id raft.Identity, takes time.Duration) *Log {
	return &Log{MemoryLog: raft.NewMemoryLog(id), takes: takes}
}

// Fail makes each later save fail; nil ends that.
func (l *Log) Fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail = err
}

// Save implements [raft.Log].
func (l *Log) Save(hard *pb.HardState, entries []*pb.Entry, sync bool) error {
	time.Sleep(l.takes)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		return l.fail
	}
	return l.MemoryLog.Save(hard, entries, sync)
}

// WriteSnapshot implements [raft.Log]. The body is made without the lock: it may take long, and saves go on.
func (l *Log) WriteSnapshot(meta *pb.Snapshot, body func(io.Writer) error) error {
	var b bytes.Buffer
	if err := body(&b); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.MemoryLog.WriteSnapshot(meta, func(w io.Writer) error { _, err := w.Write(b.Bytes()); return err })
}

// Adopt implements [raft.Log].
func (l *Log) Adopt(meta *pb.Snapshot) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.MemoryLog.Adopt(meta)
}

// OpenSnapshot implements [raft.Log].
func (l *Log) OpenSnapshot(meta *pb.Snapshot) (io.ReadCloser, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.MemoryLog.OpenSnapshot(meta)
}
