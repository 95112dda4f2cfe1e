package raft

import (
	"io"

	pb "go.etcd.io/raft/v3/raftpb"
)

// MaxEntrySize is the most data one proposal may carry.
const MaxEntrySize = 1_500_000

// Identity says whose log it is. It is written once, when the log is created.
type Identity struct {
	ID      uint64 `json:"id"`      // the member's raft id, never reused
	Node    string `json:"node"`    // the cluster's id of the node
	Cluster string `json:"cluster"` // a message of another cluster is refused by whoever carries messages
}

// Loaded is what a log held when it was opened.
type Loaded struct {
	Identity Identity
	Hard     *pb.HardState // nil: none
	Entries  []*pb.Entry   // consecutive, from the index after the snapshot's
	Snapshot *pb.Snapshot  // the newest adopted snapshot; nil: none. The body is read by OpenSnapshot
}

// Log keeps one member's log and snapshots. Save is called by one goroutine, WriteSnapshot and Adopt possibly by
// another at the same time. After an error nothing may be assumed of what is durable: the process has to end.
//
// A snapshot's metadata is a raftpb.Snapshot whose Data holds the members, never the state: that is the body.
type Log interface {
	// Load returns what was durable when the log was opened, or what Bootstrap has written since. Once a machine has
	// written it may fail. The caller may keep the result.
	Load() (Loaded, error)
	// Save appends; entries replace those of the same and later indexes. Entries, a new term and a vote are durable
	// when it returns; a new commit index alone need not be, unless sync asks for it.
	Save(hard *pb.HardState, entries []*pb.Entry, sync bool) error
	// WriteSnapshot streams a body and makes it durable, without making it the one to start from.
	WriteSnapshot(meta *pb.Snapshot, body func(io.Writer) error) error
	// Adopt durably makes a written snapshot the one that Load starts from, and removes what is needed no more.
	// Entries that do not continue it count as removed.
	Adopt(meta *pb.Snapshot) error
	// OpenSnapshot reads the body of a written snapshot.
	OpenSnapshot(meta *pb.Snapshot) (io.ReadCloser, error)
}
