package wal

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/fileutil"
	etcdwal "go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	etcdraft "go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/skep-org/skep/internal/store/raft"
)

// lockPatience is how long Open tries to lock a log that was just closed: a child process between its fork and its exec has
// copies of all files, and with them their locks, which fall with the last copy.
const lockPatience = time.Second

// Open reads the log in opt.Dir.
func Open(opt Options) (*Log, error) {
	if !Exists(opt.Dir) {
		return nil, fmt.Errorf("wal: %s holds no raft log", opt.Dir)
	}
	for end := time.Now().Add(lockPatience); ; time.Sleep(time.Millisecond) {
		l, err := tryOpen(opt)
		if !errors.Is(err, fileutil.ErrLocked) || time.Now().After(end) {
			return l, err
		}
	}
}

func tryOpen(opt Options) (*Log, error) {
	l, err := lock(opt)
	if err != nil {
		return nil, err
	}
	if err := l.open(); err != nil {
		if l.wal != nil {
			err = errors.Join(err, l.wal.Close())
		}
		return nil, errors.Join(err, l.lock.Close())
	}
	return l, nil
}

func (l *Log) open() error {
	s, err := l.scan()
	if err != nil {
		return err
	}
	if err := l.identify(s.metadata); err != nil {
		return err
	}
	if err := l.cutTorn(s); err != nil {
		return err
	}
	meta, err := l.choose(s.snapshots)
	if err != nil {
		return err
	}
	if err := l.read(meta); err != nil {
		return err
	}
	for _, id := range s.snapshots {
		if !l.holds(id) {
			return fmt.Errorf("wal: the raft log in %s does not hold what led to its snapshot at index %d, and that snapshot is missing or damaged; restore the directory from a backup, or let this manager join anew", l.dir, id.index)
		}
	}
	return l.prune()
}

// holds: what was loaded goes past a snapshot by its own entries, or starts there or later. A snapshot that a leader
// sent can stand in place of entries that are not in the log, or contradict it; it cannot be left out.
func (l *Log) holds(id snapshotID) bool {
	base := idOf(l.loaded.Snapshot)
	if id.index <= base.index {
		return true
	}
	i := id.index - base.index
	return i <= uint64(len(l.loaded.Entries)) && l.loaded.Entries[i-1].GetTerm() == id.term
}

// identify opens the identity, which tells a wrong key from damage: the library's checksum has passed.
func (l *Log) identify(metadata []byte) error {
	if metadata == nil {
		return fmt.Errorf("wal: the raft log in %s does not say whose it is: it is damaged; restore the directory from a backup, or let this manager join anew", l.dir)
	}
	plain, err := l.sealer().open(metadata, []byte(bindIdentity))
	if errors.Is(err, errSealed) {
		return ErrWrongKey
	}
	if err != nil {
		return fmt.Errorf("wal: the raft log in %s cannot be read: %w", l.dir, err)
	}
	if err := json.Unmarshal(plain, &l.loaded.Identity); err != nil {
		return fmt.Errorf("wal: the raft log in %s does not say whose it is: %w", l.dir, err)
	}
	return nil
}

// choose finds the newest undamaged snapshot that the log records; nil means to start from the log's first entry. Files
// without a record were never adopted and go. Those that no segment leads on from are kept for people.
func (l *Log) choose(records []snapshotID) (*pb.Snapshot, error) {
	if err := l.removeUnfinished(); err != nil {
		return nil, err
	}
	segments, err := l.segments()
	if err != nil {
		return nil, err
	}
	old := func(id snapshotID) bool { return len(segments) > 0 && id.index < segments[0].first }
	if err := l.removeSnapshots(func(id snapshotID) bool { return !slices.Contains(records, id) && !old(id) }); err != nil {
		return nil, err
	}
	files, err := l.snapshotFiles()
	if err != nil {
		return nil, err
	}
	var damage error
	for i, id := range files {
		if old(id) {
			break
		}
		meta, err := l.verifySnapshot(id)
		if err == nil {
			l.adopted = files[i:]
			if damage != nil {
				l.logger.Warn("the newest snapshot is damaged; starting from the one before", "index", id.index, "err", damage)
			}
			return meta, nil
		}
		damage = errors.Join(damage, err)
	}
	if !slices.Contains(records, snapshotID{}) {
		return nil, fmt.Errorf("wal: no snapshot in %s can be read, and the log does not reach back to its start; restore the directory from a backup, or let this manager join anew: %w", l.dir, damage)
	}
	return nil, nil
}

// read loads the entries after the snapshot and leaves the log ready to append.
func (l *Log) read(meta *pb.Snapshot) error {
	id := idOf(meta)
	dir := filepath.Join(l.dir, "wal")
	w, err := etcdwal.Open(nil, dir, &walpb.Snapshot{Index: &id.index, Term: &id.term})
	if err != nil {
		return fmt.Errorf("wal: the raft log in %s cannot be opened from index %d on: %w", l.dir, id.index, err)
	}
	l.wal = w
	_, hard, entries, err := w.ReadAll()
	if errors.Is(err, etcdwal.ErrSliceOutOfRange) {
		return fmt.Errorf("wal: the raft log in %s has a gap after index %d; restore the directory from a backup, or let this manager join anew: %w", l.dir, id.index, err)
	}
	if err != nil {
		return fmt.Errorf("wal: the raft log in %s cannot be read: %w", l.dir, err)
	}
	// A leader's snapshot replaces entries that contradict it; they are still on disk, and known by their lower term.
	if i := slices.IndexFunc(entries, func(e *pb.Entry) bool { return e.GetTerm() < id.term }); i >= 0 {
		entries = entries[:i]
	}
	for _, e := range entries {
		m, err := l.sealer().openEntry(e)
		if err != nil {
			return fmt.Errorf("wal: entry %d of the raft log in %s cannot be read: %w", e.GetIndex(), l.dir, err)
		}
		l.save = max(l.save, m.save)
	}
	l.loaded = &raft.Loaded{Identity: l.loaded.Identity, Entries: entries, Snapshot: meta}
	if etcdraft.IsEmptyHardState(hard) {
		return nil
	}
	l.loaded.Hard = hard
	// What was read may be in the page cache only. Besides, the library repeats the state at the head of each new
	// segment only if it has seen it.
	if err := w.Save(hard, nil); err != nil {
		return fmt.Errorf("wal: the raft log in %s cannot be made durable: %w", l.dir, err)
	}
	return nil
}

// prune removes the snapshots and segments that are needed no more.
func (l *Log) prune() error {
	if l.keep > 0 {
		l.adopted = l.adopted[:min(len(l.adopted), max(keepSnapshots, l.keep))]
	}
	if len(l.adopted) < keepSnapshots {
		return nil
	}
	drop := func(id snapshotID) bool { return id.index < l.adopted[0].index && !slices.Contains(l.adopted, id) }
	if err := l.removeSnapshots(drop); err != nil {
		return err
	}
	oldest := l.adopted[min(len(l.adopted), keepSnapshots)-1].index // older ones are kept for people, not to go on from
	if err := l.wal.ReleaseLockTo(oldest); err != nil {
		return fmt.Errorf("wal: old segments of the raft log in %s cannot be released: %w", l.dir, err)
	}
	segments, err := l.segments()
	if err != nil {
		return err
	}
	needed := 0
	for i, s := range segments {
		if s.first <= oldest {
			needed = i
		}
	}
	for _, s := range segments[:needed] {
		if err := os.Remove(s.path); err != nil {
			return fmt.Errorf("wal: an old segment of the raft log cannot be removed: %w", err)
		}
	}
	return nil
}
