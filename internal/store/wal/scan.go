package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"go.etcd.io/etcd/client/pkg/v3/fileutil"
	etcdwal "go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// segment is one file of the log; first is the index of the first entry that it may hold.
type segment struct {
	path       string
	seq, first uint64
}

func (l *Log) segments() ([]segment, error) {
	dir := filepath.Join(l.dir, "wal")
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("wal: the segments of the raft log cannot be listed: %w", err)
	}
	var list []segment
	for _, f := range files {
		if seq, first, ok := parsePair(f.Name(), ".wal"); ok {
			list = append(list, segment{path: filepath.Join(dir, f.Name()), seq: seq, first: first})
		}
	}
	return list, nil
}

// scanned is what a pass over all records found.
type scanned struct {
	metadata  []byte
	snapshots []snapshotID // as recorded, {0 0} for the start of the log
	lastEntry *pb.Entry    // the last one recorded
	tail      segment
	valid     int64  // bytes of tail that hold whole records
	rest      []byte // what follows them, without zeros at the end
	crc       uint32
}

// scan checks every record. Only the last segment may end before its file does.
func (l *Log) scan() (scanned, error) {
	var s scanned
	segments, err := l.segments()
	if err != nil {
		return s, err
	}
	for i, seg := range segments {
		if i > 0 && seg.seq != segments[i-1].seq+1 {
			return s, fmt.Errorf("wal: the segment before %s is missing; restore the directory from a backup, or let this manager join anew", seg.path)
		}
		s.tail = seg
		size, err := s.segment(seg, i == 0)
		if i == len(segments)-1 {
			return s, s.readRest(err)
		}
		if err != nil || s.valid < size {
			return s, damaged(seg.path, s.valid, err)
		}
	}
	return s, fmt.Errorf("wal: %s holds no segment of a raft log", l.dir)
}

// readRest reads what follows the last whole record of the last segment. err is why the record after that cannot be
// read: a crash leaves an incomplete record and zeros after it; one that is there to its end is damaged.
func (s *scanned) readRest(err error) error {
	rest, rerr := readFrom(s.tail.path, s.valid)
	if rerr != nil {
		return fmt.Errorf("wal: the end of the raft log cannot be read: %w", rerr)
	}
	s.rest = bytes.TrimRight(rest, "\x00")
	if s.valid%8 != 0 {
		return damaged(s.tail.path, s.valid, err)
	}
	if err == nil || errors.Is(err, io.ErrUnexpectedEOF) || len(s.rest) < 8 {
		return nil
	}
	if size := binary.LittleEndian.Uint64(s.rest) &^ (0xff << 56); uint64(len(s.rest)-8) >= size {
		return damaged(s.tail.path, s.valid, err)
	}
	return nil
}

func damaged(path string, at int64, err error) error {
	const msg = "wal: %s is damaged at byte %d; restore the directory from a backup, or let this manager join anew"
	if err == nil {
		return fmt.Errorf(msg, path, at)
	}
	return fmt.Errorf(msg+": %w", path, at, err)
}

func (s *scanned) segment(seg segment, first bool) (size int64, err error) {
	f, err := os.Open(seg.path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	d := etcdwal.NewDecoder(fileutil.NewFileReader(f))
	s.valid = 0
	for {
		rec := &walpb.Record{}
		if err := d.Decode(rec); errors.Is(err, io.EOF) {
			return info.Size(), nil
		} else if err != nil {
			return info.Size(), err
		}
		if rec.GetType() == etcdwal.CrcType {
			if s.valid == 0 && !first && rec.GetCrc() != s.crc {
				return info.Size(), errors.New("it does not continue the segment before it")
			}
			d.UpdateCRC(rec.GetCrc())
		} else if err := s.record(rec); err != nil {
			return info.Size(), err
		}
		s.valid, s.crc = d.LastOffset(), d.LastCRC()
	}
}

func (s *scanned) record(rec *walpb.Record) error {
	switch rec.GetType() {
	case etcdwal.MetadataType:
		s.metadata = rec.Data
	case etcdwal.EntryType:
		s.lastEntry = &pb.Entry{}
		return proto.Unmarshal(rec.Data, s.lastEntry)
	case etcdwal.SnapshotType:
		snap := &walpb.Snapshot{}
		if err := proto.Unmarshal(rec.Data, snap); err != nil {
			return err
		}
		s.snapshots = append(s.snapshots, snapshotID{snap.GetIndex(), snap.GetTerm()})
	}
	return nil
}

// cutTorn truncates the log after its last whole record. It refuses when an entry of a later save than the torn one
// follows: that save began after the torn one was durable, so this is damage and not a crash.
func (l *Log) cutTorn(s scanned) error {
	torn := uint64(1)
	if s.lastEntry != nil {
		m, err := l.sealer().openEntry(s.lastEntry)
		if err != nil {
			return fmt.Errorf("wal: entry %d of the raft log in %s cannot be read: %w", s.lastEntry.GetIndex(), l.dir, err)
		}
		if l.save, torn = m.save, m.save; m.last {
			torn++
		}
	}
	if l.newestSave(s.rest) > torn {
		return damaged(s.tail.path, s.valid, nil)
	}
	if len(s.rest) == 0 {
		return nil
	}
	l.logger.Warn("the raft log ended in a write that a crash tore; it is cut off, nothing acknowledged is lost", "file", s.tail.path, "byte", s.valid)
	return truncate(s.tail.path, s.valid)
}

// newestSave looks for whole entries in what is left of a log after its last valid record. Records are aligned to eight
// bytes; the checksums are chained and cannot be checked here, but the seal can.
func (l *Log) newestSave(rest []byte) (newest uint64) {
	for ; len(rest) > 8; rest = rest[8:] {
		frame := binary.LittleEndian.Uint64(rest)
		size := frame &^ (0xff << 56)
		if size == 0 || size > uint64(len(rest)-8) {
			continue
		}
		rec, e := &walpb.Record{}, &pb.Entry{}
		if proto.Unmarshal(rest[8:8+size], rec) != nil || rec.GetType() != etcdwal.EntryType || proto.Unmarshal(rec.Data, e) != nil {
			continue
		}
		if m, err := l.sealer().openEntry(e); err == nil {
			newest = max(newest, m.save)
		}
	}
	return newest
}

func readFrom(path string, offset int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return nil, err
	}
	return io.ReadAll(f)
}

func truncate(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("wal: the torn end of the raft log cannot be cut off: %w", err)
	}
	defer f.Close()
	if err = f.Truncate(size); err == nil {
		err = f.Sync()
	}
	if err != nil {
		return fmt.Errorf("wal: the torn end of the raft log cannot be cut off: %w", err)
	}
	return nil
}
