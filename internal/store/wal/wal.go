package wal

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"go.etcd.io/etcd/client/pkg/v3/fileutil"
	etcdwal "go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/skep-org/skep/internal/durable"
	"github.com/skep-org/skep/internal/store/raft"
)

// ErrWrongKey: the log was sealed with another key than the one given.
var ErrWrongKey = errors.New("wal: the raft log was written with another key; put the key file back that belongs to this data directory")

// segmentBytes is the size at which a segment of the log ends; the next one is preallocated with it.
const segmentBytes = 8 << 20

// The library takes the size from a variable of its own, which is set once, before it is first read.
var setSegmentSize = sync.OnceFunc(func() { etcdwal.SegmentSizeBytes = segmentBytes })

// Options say where the log is.
type Options struct {
	Dir    string
	Key    Key
	Older  []Key        // that what is there may be sealed with; nothing more is
	Logger *slog.Logger // nil: silent
}

// Log is one member's log on disk. It implements [raft.Log].
type Log struct {
	dir    string
	keys   atomic.Pointer[sealer]
	logger *slog.Logger
	lock   *fileutil.LockedFile
	loaded *raft.Loaded // nil once the log has moved on

	written atomic.Int64 // bytes of entries since it was opened

	mu      sync.Mutex // Save and Adopt
	wal     *etcdwal.WAL
	save    uint64       // number of the newest save
	adopted []snapshotID // the snapshots kept, newest first
	keep    int          // snapshots to keep; below keepSnapshots that many are; 0: not told since the log was opened, all are
}

// Exists tells whether dir holds a log.
func Exists(dir string) bool { return etcdwal.Exist(filepath.Join(dir, "wal")) }

// Create makes an empty log that belongs to id.
func Create(opt Options, id raft.Identity) (*Log, error) {
	if Exists(opt.Dir) {
		return nil, fmt.Errorf("wal: %s holds a raft log already", opt.Dir)
	}
	l, err := lock(opt)
	if err != nil {
		return nil, err
	}
	if err := l.create(id); err != nil {
		return nil, errors.Join(fmt.Errorf("wal: the raft log in %s cannot be created: %w", opt.Dir, err), l.lock.Close())
	}
	return l, nil
}

func (l *Log) create(id raft.Identity) error {
	plain, err := json.Marshal(id)
	if err != nil {
		return err
	}
	metadata, err := l.sealer().seal(plain, []byte(bindIdentity))
	if err != nil {
		return err
	}
	l.loaded.Identity, l.keep = id, keepSnapshots
	l.wal, err = etcdwal.Create(nil, filepath.Join(l.dir, "wal"), metadata)
	return err
}

const bindIdentity = "skep identity"

// lock prepares the directories and takes the lock that keeps a second process out.
func lock(opt Options) (*Log, error) {
	setSegmentSize()
	l := &Log{dir: opt.Dir, logger: opt.Logger, loaded: &raft.Loaded{}}
	if l.logger == nil {
		l.logger = slog.New(slog.DiscardHandler)
	}
	if err := l.Rekey(opt.Key, opt.Older...); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(l.dir, "snapshots"), 0o700); err != nil {
		return nil, fmt.Errorf("wal: the directory for the raft log cannot be made: %w", err)
	}
	if err := durable.SyncDir(l.dir); err != nil {
		return nil, fmt.Errorf("wal: the directory for the raft log cannot be made durable: %w", err)
	}
	path := filepath.Join(l.dir, "lock")
	var err error
	l.lock, err = fileutil.TryLockFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if errors.Is(err, fileutil.ErrLocked) {
		return nil, fmt.Errorf("wal: the raft log in %s is in use by another process; stop that one first: %w", l.dir, err)
	}
	if err != nil {
		return nil, fmt.Errorf("wal: the raft log in %s cannot be locked: %w", l.dir, err)
	}
	return l, nil
}

// Rekey seals with key what is written from now on. What is there stays as it is until it is compacted away, so the keys
// it was sealed with are to be among older, now and when the log is opened again: whoever calls has made key durable.
func (l *Log) Rekey(key Key, older ...Key) error {
	s, err := newSealer(key, older...)
	if err != nil {
		return fmt.Errorf("wal: the key cannot be used: %w", err)
	}
	l.keys.Store(&s)
	return nil
}

func (l *Log) sealer() sealer { return *l.keys.Load() }

// Load implements [raft.Log]. It gives back what was there when the log was opened, or what the first save put into an
// empty one; it is forgotten after that, for it may be large.
func (l *Log) Load() (raft.Loaded, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.loaded == nil {
		return raft.Loaded{}, fmt.Errorf("wal: the raft log in %s was written since it was opened; close and open it to load it again", l.dir)
	}
	return *l.loaded, nil
}

// moveOn keeps what Load returns true.
func (l *Log) moveOn(hard *pb.HardState, entries []*pb.Entry) {
	if hard == nil && len(entries) == 0 {
		return
	}
	if l.loaded != nil && l.loaded.Empty() && l.loaded.Hard == nil {
		l.loaded.Hard, l.loaded.Entries = hard, entries
		return
	}
	l.loaded = nil
}

// Save implements [raft.Log].
func (l *Log) Save(hard *pb.HardState, entries []*pb.Entry, sync bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.moveOn(hard, entries)
	sealed := make([]*pb.Entry, len(entries))
	if len(entries) > 0 {
		l.save++
	}
	for i, e := range entries {
		if len(e.GetData()) > raft.MaxEntrySize+maxConfChange {
			return fmt.Errorf("wal: entry %d is larger than %d bytes", e.GetIndex(), raft.MaxEntrySize)
		}
		var err error
		if sealed[i], err = l.sealer().sealEntry(e, mark{save: l.save, last: i == len(entries)-1}); err != nil {
			return err
		}
	}
	if err := l.wal.Save(hard, sealed); err != nil {
		return fmt.Errorf("wal: the raft log in %s cannot be written: %w", l.dir, err)
	}
	for _, e := range sealed {
		l.written.Add(int64(len(e.GetData())))
	}
	if sync && len(entries) == 0 {
		if err := l.wal.Sync(); err != nil {
			return fmt.Errorf("wal: the raft log in %s cannot be made durable: %w", l.dir, err)
		}
	}
	return nil
}

// Written is how many bytes of entries, sealed, were saved since the log was opened.
func (l *Log) Written() int64 { return l.written.Load() }

// maxConfChange is room for what raft wraps around a change of members.
const maxConfChange = 4096

// Adopt implements [raft.Log].
func (l *Log) Adopt(meta *pb.Snapshot) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	id := idOf(meta)
	if len(l.adopted) > 0 && id.index <= l.adopted[0].index {
		return nil
	}
	if _, err := os.Stat(l.snapshotPath(id)); err != nil {
		return fmt.Errorf("wal: the snapshot to adopt is not there: %w", err)
	}
	record := &walpb.Snapshot{Index: &id.index, Term: &id.term, ConfState: meta.GetMetadata().GetConfState()}
	if err := l.wal.SaveSnapshot(record); err != nil {
		return fmt.Errorf("wal: the snapshot at index %d cannot be recorded: %w", id.index, err)
	}
	l.adopted = append([]snapshotID{id}, l.adopted...)
	return l.prune()
}

// Keep implements [raft.Keeper].
func (l *Log) Keep(old uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keep = int(min(old, maxOldSnapshots)) + 1
}

// Close ends the use of the log.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.wal.Close()
	if cerr := l.lock.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("wal: the raft log in %s cannot be closed: %w", l.dir, err)
	}
	return nil
}
