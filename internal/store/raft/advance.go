package raft

import (
	"fmt"
	"slices"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// Advance applies what is committed and returns what is to be done. An error means that this member cannot go on.
func (m *Machine) Advance() (Output, error) {
	m.observe()
	for again := true; again && m.failed == nil; again = m.applyNext() || m.start() || m.node.HasReady() || m.reads.due(m) {
		m.reads.begin(m)
		for m.node.HasReady() && m.failed == nil {
			m.ready(m.node.Ready())
		}
		m.campaignAlone()
	}
	m.snapshotIfDue()
	m.reads.release(m)
	out := m.out
	m.out = Output{}
	return out, m.failed
}

func (m *Machine) ready(rd raft.Ready) {
	m.observe()
	m.reads.confirm(rd.ReadStates)
	for _, msg := range rd.Messages {
		switch msg.GetTo() {
		case raft.LocalAppendThread:
			m.queue(msg)
		case raft.LocalApplyThread:
			m.applies = append(m.applies, msg)
		default:
			m.out.Messages = append(m.out.Messages, msg)
		}
	}
	m.observe()
	for m.failed == nil && m.applyNext() {
	}
}

// applyNext applies the next committed entries, unless a change of members among them has to wait: a member that
// forgot, in a crash, that a change was committed would start with the old members and could elect itself by them. So
// the commit index is made durable first.
func (m *Machine) applyNext() bool {
	if len(m.applies) == 0 {
		return false
	}
	msg := m.applies[0]
	if i := lastChange(msg.GetEntries()); i > m.durable {
		m.syncCommit(i)
		return false
	}
	m.applies = m.applies[1:]
	m.apply(msg)
	m.observe()
	return true
}

// lastChange is the index of the last change of members among entries, 0 when there is none.
func lastChange(entries []*pb.Entry) uint64 {
	for _, e := range slices.Backward(entries) {
		if e.GetType() != pb.EntryNormal {
			return e.GetIndex()
		}
	}
	return 0
}

// apply hands committed entries to the state machine, those between two changes of members in one call.
func (m *Machine) apply(msg *pb.Message) {
	var batch []Entry
	st := m.node.BasicStatus()
	for _, e := range msg.GetEntries() {
		if e.GetIndex() <= m.applied {
			continue // a snapshot has overtaken it
		}
		switch e.GetType() {
		case pb.EntryNormal:
			if len(e.GetData()) > 0 {
				batch = append(batch, Entry{Index: e.GetIndex(), Term: e.GetTerm(), Data: e.GetData()})
			}
		default:
			m.sm.Apply(batch, e.GetIndex()-1)
			batch = nil
			if m.failed = m.configure(e); m.failed != nil {
				return
			}
		}
		m.sinceSnap += len(e.GetData())
		m.applied = e.GetIndex()
		if st.RaftState == raft.StateLeader && st.GetTerm() == e.GetTerm() {
			m.ownTerm = e.GetTerm()
		}
	}
	m.sm.Apply(batch, m.applied)
	for _, r := range msg.GetResponses() {
		if err := m.node.Step(r); err != nil {
			m.failed = fmt.Errorf("raft: entries up to %d were applied but not accounted for: %w", m.applied, err)
		}
	}
}

func (m *Machine) configure(e *pb.Entry) error {
	var cc pb.ConfChangeI
	var err error
	if e.GetType() == pb.EntryConfChange {
		v1 := &pb.ConfChange{}
		cc, err = v1, proto.Unmarshal(e.GetData(), v1)
	} else {
		v2 := &pb.ConfChangeV2{}
		cc, err = v2, proto.Unmarshal(e.GetData(), v2)
	}
	if err != nil {
		return fmt.Errorf("raft: the change of members at index %d cannot be read: %w", e.GetIndex(), err)
	}
	if err := m.members.apply(cc.AsV2(), m.node.ApplyConfChange(cc)); err != nil {
		return err
	}
	m.changing = false
	m.storage.confIndex = e.GetIndex()
	m.sm.Configure(e.GetIndex(), e.GetTerm(), m.members.list())
	return nil
}

// observe reports a change of leadership before anything that follows from it.
func (m *Machine) observe() {
	st := m.node.BasicStatus()
	now := Leadership{Term: st.GetTerm(), Leader: st.Lead}
	now.Leading = st.RaftState == raft.StateLeader && m.ownTerm == now.Term
	if now == m.lead {
		return
	}
	if !now.Leading {
		m.changing = false
	}
	m.lead = now
	m.reads.again()
	m.sm.Lead(now)
}

// campaignAlone spares a group of one the election timeout after a start.
func (m *Machine) campaignAlone() {
	if m.alone == 0 || m.applied < m.alone {
		return
	}
	m.alone = 0
	if v := m.members.conf.GetVoters(); len(v) == 1 && v[0] == m.cfg.ID && !m.members.joint() {
		if err := m.node.Campaign(); err != nil {
			m.failed = fmt.Errorf("raft: the only manager cannot become leader: %w", err)
		}
	}
}
