package wal

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// keepSnapshots are on disk: the one to start from, and one to fall back on should its file be damaged.
const keepSnapshots = 2

// maxOldSnapshots bounds what a disk is asked to hold.
const maxOldSnapshots = 1000

const snapshotSuffix = ".snapshot"

// snapshotID is the place of a snapshot in the log.
type snapshotID struct{ index, term uint64 }

func idOf(meta *pb.Snapshot) snapshotID {
	return snapshotID{meta.GetMetadata().GetIndex(), meta.GetMetadata().GetTerm()}
}

func (l *Log) snapshotPath(id snapshotID) string {
	return filepath.Join(l.dir, "snapshots", fmt.Sprintf("%016x-%016x%s", id.term, id.index, snapshotSuffix))
}

// WriteSnapshot implements [raft.Log].
func (l *Log) WriteSnapshot(meta *pb.Snapshot, body func(io.Writer) error) error {
	path := l.snapshotPath(idOf(meta))
	err := replaceFile(path, func(f *os.File) error {
		w, err := l.sealer().newStreamWriter(f)
		if err != nil {
			return err
		}
		head, err := proto.Marshal(meta)
		if err != nil {
			return err
		}
		if _, err := w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(head))), head...)); err != nil {
			return err
		}
		if err := body(w); err != nil {
			return err
		}
		return w.finish()
	})
	if err != nil {
		return fmt.Errorf("wal: the snapshot %s cannot be written: %w", path, err)
	}
	return nil
}

// OpenSnapshot implements [raft.Log].
func (l *Log) OpenSnapshot(meta *pb.Snapshot) (io.ReadCloser, error) {
	_, body, err := l.openSnapshot(idOf(meta))
	return body, err
}

// snapshotBody is the rest of a snapshot's file; its errors name the file.
type snapshotBody struct {
	r    io.Reader
	f    *os.File
	path string
}

func (b snapshotBody) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("wal: the snapshot %s cannot be read: %w", b.path, err)
	}
	return n, err
}

func (b snapshotBody) Close() error { return b.f.Close() }

func (l *Log) openSnapshot(id snapshotID) (*pb.Snapshot, io.ReadCloser, error) {
	path := l.snapshotPath(id)
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("wal: the snapshot cannot be opened: %w", err)
	}
	meta, r, err := l.readSnapshotHead(f)
	if err == nil && idOf(meta) != id {
		err = errSealed
	}
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("wal: the snapshot %s cannot be read: %w", path, err), f.Close())
	}
	return meta, snapshotBody{r: r, f: f, path: path}, nil
}

func (l *Log) readSnapshotHead(f *os.File) (*pb.Snapshot, io.Reader, error) {
	r, err := l.sealer().newStreamReader(f)
	if err != nil {
		return nil, nil, err
	}
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, nil, errSealed
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > 16<<20 {
		return nil, nil, errSealed
	}
	head := make([]byte, n)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, nil, errSealed
	}
	meta := &pb.Snapshot{}
	return meta, r, proto.Unmarshal(head, meta)
}

// verifySnapshot reads a snapshot to its end.
func (l *Log) verifySnapshot(id snapshotID) (*pb.Snapshot, error) {
	meta, body, err := l.openSnapshot(id)
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(io.Discard, body)
	if cerr := body.Close(); err == nil {
		err = cerr
	}
	return meta, err
}

// snapshotFiles lists the snapshots on disk, newest first.
func (l *Log) snapshotFiles() ([]snapshotID, error) {
	files, err := os.ReadDir(filepath.Join(l.dir, "snapshots"))
	if err != nil {
		return nil, fmt.Errorf("wal: the snapshots cannot be listed: %w", err)
	}
	var ids []snapshotID
	for _, f := range files {
		if term, index, ok := parsePair(f.Name(), snapshotSuffix); ok {
			ids = append(ids, snapshotID{index: index, term: term})
		}
	}
	slices.SortFunc(ids, func(a, b snapshotID) int { return cmp.Compare(b.index, a.index) })
	return ids, nil
}

// parsePair reads the two numbers in the name of a snapshot or a segment.
func parsePair(name, suffix string) (a, b uint64, ok bool) {
	base, ok := strings.CutSuffix(name, suffix)
	first, second, cut := strings.Cut(base, "-")
	if !ok || !cut || len(first) != 16 || len(second) != 16 {
		return 0, 0, false
	}
	a, errA := strconv.ParseUint(first, 16, 64)
	b, errB := strconv.ParseUint(second, 16, 64)
	return a, b, errA == nil && errB == nil
}

// removeUnfinished deletes what a crash left of snapshots being written.
func (l *Log) removeUnfinished() error {
	left, err := filepath.Glob(filepath.Join(l.dir, "snapshots", "*.tmp"))
	if err != nil {
		return fmt.Errorf("wal: unfinished snapshots cannot be listed: %w", err)
	}
	for _, path := range left {
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("wal: an unfinished snapshot cannot be removed: %w", err)
		}
	}
	return nil
}

// removeSnapshots deletes the snapshots that drop names.
func (l *Log) removeSnapshots(drop func(snapshotID) bool) error {
	ids, err := l.snapshotFiles()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if drop(id) {
			if err := os.Remove(l.snapshotPath(id)); err != nil {
				return fmt.Errorf("wal: an old snapshot cannot be removed: %w", err)
			}
		}
	}
	return nil
}
