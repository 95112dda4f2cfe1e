package raft

import (
	"fmt"
	"io"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// Machine is one member. It belongs to one goroutine. After any call, [Machine.Advance] says what is to be done.
type Machine struct {
	cfg     Config
	sm      StateMachine
	storage *storage
	node    *raft.RawNode
	members members

	lead      Leadership
	ownTerm   uint64 // the newest term whose first entry this member applied while it led in it
	applied   uint64
	alone     uint64 // campaign at once when this index is applied and nobody else votes; 0: done
	changing  bool   // a change of members proposed here is not applied yet
	sinceSnap int    // bytes of entries applied since the newest snapshot
	snapping  bool
	failed    error

	writes  []*Write // waiting; the first starts when writing is nil
	writing *Write
	durable uint64        // commit index that a synced write holds
	applies []*pb.Message // committed entries not handed on yet
	reads   reads
	out     Output
}

// Output is what the owner of a [Machine] has to do, in any order and at any time but for what each field says.
type Output struct {
	Messages []*pb.Message // to other members; may be lost
	Write    *Write        // persist, then call Wrote; the next comes only then
	Snapshot *SnapshotJob  // write and adopt, then call Snapshotted; the next comes only then
	Reads    []Read        // reads that may be answered now
}

// New makes the member whose log held l. body is that of l's snapshot, nil when it has none.
func New(cfg Config, sm StateMachine, l Loaded, body io.Reader) (*Machine, error) {
	cfg = cfg.withDefaults()
	hard, err := settle(l)
	if err != nil {
		return nil, err
	}
	m := &Machine{cfg: cfg, sm: sm, storage: &storage{hard: hard, snap: l.Snapshot}, durable: hard.GetCommit()}
	if m.members, err = membersOf(l.Snapshot); err != nil {
		return nil, err
	}
	if l.Snapshot != nil {
		m.storage.adopt(l.Snapshot)
		if err := sm.Restore(body, m.storage.baseIndex, m.storage.baseTerm); err != nil {
			return nil, fmt.Errorf("raft: the snapshot at index %d cannot be restored: %w", m.storage.baseIndex, err)
		}
	}
	m.storage.append(l.Entries)
	m.applied = m.storage.baseIndex
	m.alone = max(m.storage.hard.GetCommit(), m.applied)
	m.node, err = raft.NewRawNode(&raft.Config{
		ID: cfg.ID, ElectionTick: cfg.ElectionTicks, HeartbeatTick: heartbeatTicks,
		Storage: m.storage, Applied: m.applied, AsyncStorageWrites: true,
		MaxSizePerMsg: 1 << 20, MaxCommittedSizePerReady: 16 << 20, MaxUncommittedEntriesSize: cfg.UncommittedBytes,
		MaxInflightMsgs: 256, MaxInflightBytes: 64 << 20,
		CheckQuorum: true, PreVote: true, DisableProposalForwarding: true, StepDownOnRemoval: true,
		Logger: logger{cfg.Logger},
	})
	if err != nil {
		return nil, fmt.Errorf("raft: the member cannot start: %w", err)
	}
	return m, nil
}

// settle is the hard state to start from. A commit index is not fsynced by itself and a snapshot is taken of committed
// entries only, so it is at least the snapshot's. A torn write may have kept entries of a term and lost the term: no
// vote in that term was ever promised, so starting in it is safe.
func settle(l Loaded) (*pb.HardState, error) {
	hard := &pb.HardState{}
	if l.Hard != nil {
		hard = proto.Clone(l.Hard).(*pb.HardState)
	}
	snap := l.Snapshot.GetMetadata()
	term, last := snap.GetTerm(), snap.GetIndex()
	if n := len(l.Entries); n > 0 {
		term, last = max(term, l.Entries[n-1].GetTerm()), l.Entries[n-1].GetIndex()
	}
	if hard.GetTerm() < term {
		hard.Term, hard.Vote = new(term), new(uint64(0))
	}
	if hard.GetCommit() > last {
		return nil, fmt.Errorf("raft: the log ends at index %d although %d was committed: it is damaged; restore the data directory, or let this manager join anew", last, hard.GetCommit())
	}
	hard.Commit = new(max(hard.GetCommit(), snap.GetIndex()))
	return hard, nil
}

// Tick tells that [TickInterval] has passed.
func (m *Machine) Tick() {
	m.node.Tick()
	m.reads.tick()
}

// Step takes a message of another member. One that makes no sense now is dropped, as the network may have done.
func (m *Machine) Step(msg *pb.Message) {
	if raft.IsLocalMsg(msg.GetType()) || msg.GetType() == pb.MsgProp || msg.GetTo() != m.cfg.ID {
		return
	}
	if msg.GetType() == pb.MsgReadIndex && m.newLeader() {
		return // asked again soon
	}
	if err := m.node.Step(msg); err != nil {
		m.cfg.Logger.Debug("raft: a message was dropped", "type", msg.GetType(), "from", msg.GetFrom(), "err", err)
	}
}

// Campaign makes this member ask for votes at once instead of waiting for its election timeout.
func (m *Machine) Campaign() error { return m.node.Campaign() }

// Unreachable tells that messages to a member were lost.
func (m *Machine) Unreachable(id uint64) { m.node.ReportUnreachable(id) }

// SnapshotSent tells whether the snapshot that a message announced reached its member.
func (m *Machine) SnapshotSent(id uint64, ok bool) {
	status := raft.SnapshotFinish
	if !ok {
		status = raft.SnapshotFailure
	}
	m.node.ReportSnapshot(id, status)
}
