package raft

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	pb "go.etcd.io/raft/v3/raftpb"
)

// Revive begins a new group, whose only voter is the owner of the log, reachable at addr, from the state that another
// group had reached: state writes it, and it says itself that it is as of index. The log must be new, and its raft id
// one that the other group never had: members of that group that come back speak to an id that is gone.
func Revive(log Log, addr string, index uint64, state func(io.Writer) error) error {
	l, err := log.Load()
	if err != nil {
		return err
	}
	if !l.Empty() || l.Hard.GetTerm() > 0 {
		return errors.New("raft: a cluster cannot be revived on a log that holds one already")
	}
	self, err := json.Marshal(Member{ID: l.Identity.ID, Node: l.Identity.Node, Addr: addr})
	if err != nil {
		return fmt.Errorf("raft: the only member cannot be encoded: %w", err)
	}
	m := members{conf: &pb.ConfState{Voters: []uint64{l.Identity.ID}}, context: map[uint64]json.RawMessage{l.Identity.ID: self}}
	meta, err := m.snapshot(index, 1)
	if err != nil {
		return err
	}
	if err := log.WriteSnapshot(meta, state); err != nil {
		return err
	}
	if err := log.Adopt(meta); err != nil {
		return err
	}
	return log.Save(&pb.HardState{Term: new(uint64(1)), Commit: new(index), Vote: new(uint64(0))}, nil, true)
}
