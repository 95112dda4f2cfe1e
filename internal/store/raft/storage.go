package raft

import (
	"slices"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// storage is the durable part of the log, held in memory for the library to read. base is the entry before the first
// one held: base <= snap's index <= last.
type storage struct {
	hard      *pb.HardState // as loaded; the library keeps the current one
	snap      *pb.Snapshot  // the newest adopted; nil: none
	baseIndex uint64
	baseTerm  uint64
	entries   []*pb.Entry // entries[i] has index baseIndex+1+i
	confIndex uint64      // the newest applied conf change
	wanted    bool        // a follower needs a snapshot newer than snap
}

func (s *storage) last() uint64 { return s.baseIndex + uint64(len(s.entries)) }

// InitialState implements raft.Storage.
func (s *storage) InitialState() (*pb.HardState, *pb.ConfState, error) {
	return s.hard, pb.EnsureConfState(s.snap.GetMetadata().GetConfState()), nil
}

// Entries implements raft.Storage. Later appends never write into the returned slice.
func (s *storage) Entries(lo, hi, maxSize uint64) ([]*pb.Entry, error) {
	if lo <= s.baseIndex {
		return nil, raft.ErrCompacted
	}
	if hi > s.last()+1 {
		return nil, raft.ErrUnavailable
	}
	held := s.entries[lo-s.baseIndex-1 : hi-s.baseIndex-1]
	var size uint64
	for i, e := range held {
		if size += uint64(proto.Size(e)); size > maxSize && i > 0 {
			return slices.Clip(held[:i]), nil
		}
	}
	return slices.Clip(held), nil
}

// Term implements raft.Storage.
func (s *storage) Term(i uint64) (uint64, error) {
	switch {
	case i < s.baseIndex:
		return 0, raft.ErrCompacted
	case i == s.baseIndex:
		return s.baseTerm, nil
	case i > s.last():
		return 0, raft.ErrUnavailable
	}
	return s.entries[i-s.baseIndex-1].GetTerm(), nil
}

// LastIndex implements raft.Storage.
func (s *storage) LastIndex() (uint64, error) { return s.last(), nil }

// FirstIndex implements raft.Storage.
func (s *storage) FirstIndex() (uint64, error) { return s.baseIndex + 1, nil }

// Snapshot implements raft.Storage. A member ignores a snapshot that was taken before the conf change that added it,
// for ever, so none older than the newest conf change is offered; a newer one is taken at once.
func (s *storage) Snapshot() (*pb.Snapshot, error) {
	if s.snap == nil || s.snap.GetMetadata().GetIndex() < s.confIndex {
		s.wanted = true
		return nil, raft.ErrSnapshotTemporarilyUnavailable
	}
	return proto.Clone(s.snap).(*pb.Snapshot), nil
}

// append takes over entries that are durable now, in the order in which they were written.
func (s *storage) append(entries []*pb.Entry) {
	for _, e := range entries {
		i := e.GetIndex()
		if i <= s.baseIndex {
			continue
		}
		if i <= s.last() {
			s.entries = slices.Clip(s.entries[:i-s.baseIndex-1])
		}
		s.entries = append(s.entries, e)
	}
}

// adopt starts the log anew from a snapshot that a leader sent.
func (s *storage) adopt(snap *pb.Snapshot) {
	s.snap, s.entries = snap, nil
	s.baseIndex, s.baseTerm = snap.GetMetadata().GetIndex(), snap.GetMetadata().GetTerm()
}

// compact forgets entries up to index, which must be held.
func (s *storage) compact(index uint64) {
	if index <= s.baseIndex {
		return
	}
	i := index - s.baseIndex
	s.baseTerm = s.entries[i-1].GetTerm()
	s.baseIndex = index
	s.entries = slices.Clone(s.entries[i:])
}

// trailing is the index up to which the log can be forgotten so that at most count entries and size bytes of those
// before index stay.
func (s *storage) trailing(index, count uint64, size int) uint64 {
	for index > s.baseIndex && count > 0 && size > 0 {
		size -= len(s.entries[index-s.baseIndex-1].GetData())
		index--
		count--
	}
	return index
}
