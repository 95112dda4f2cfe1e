package raft

import (
	"fmt"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// Bootstrap writes the first entry of a new group, whose only voter is the owner of the log, reachable at addr. The log
// must be new. A member that joins an existing group starts from an empty log instead, and the leader fills it.
func Bootstrap(log Log, addr string) error {
	l, err := log.Load()
	if err != nil {
		return err
	}
	if len(l.Entries) > 0 || l.Snapshot != nil || l.Hard.GetTerm() > 0 {
		return fmt.Errorf("raft: a new cluster cannot be started on a log that holds one already")
	}
	cc, err := Change{Voters: []Member{{ID: l.Identity.ID, Node: l.Identity.Node, Addr: addr}}}.encode()
	if err != nil {
		return err
	}
	data, err := proto.Marshal(cc)
	if err != nil {
		return fmt.Errorf("raft: the first entry cannot be encoded: %w", err)
	}
	first := &pb.Entry{Index: new(uint64(1)), Term: new(uint64(1)), Type: pb.EntryConfChangeV2.Enum(), Data: data}
	return log.Save(&pb.HardState{Term: new(uint64(1)), Commit: new(uint64(1)), Vote: new(uint64(0))}, []*pb.Entry{first}, true)
}

// Empty tells whether the log holds no entry yet: the member was made to join a group and has heard nothing of it, or
// the process ended between creating the log and [Bootstrap].
func (l Loaded) Empty() bool { return len(l.Entries) == 0 && l.Snapshot == nil }
