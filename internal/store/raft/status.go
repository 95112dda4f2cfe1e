package raft

import (
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/tracker"
)

// Status is what one member knows.
type Status struct {
	ID uint64
	Leadership
	Commit, Applied uint64
	First, Last     uint64 // the durable entries held in memory; First > Last: none
	Snapshot        uint64 // index of the newest snapshot; 0: none
	Joint           bool   // a change of members is between its two halves
	Successor       uint64 // leadership is being handed to it; 0: to nobody
	Members         []MemberStatus
}

// MemberStatus is one member, with its progress where this member leads.
type MemberStatus struct {
	Member
	Match  uint64 // index up to which its log is known to be durable
	Active bool   // it answered within the last election timeout
	State  string // "replicate", "probe" or "snapshot"; empty when not the leader
}

// Status tells how this member and, if it leads, the others stand.
func (m *Machine) Status() Status {
	st := m.node.BasicStatus()
	s := Status{
		ID: m.cfg.ID, Leadership: m.lead, Commit: st.GetCommit(), Applied: m.applied, First: m.storage.baseIndex + 1, Last: m.storage.last(),
		Snapshot: m.storage.snap.GetMetadata().GetIndex(), Joint: m.members.joint(), Successor: st.LeadTransferee,
	}
	progress := map[uint64]tracker.Progress{}
	if st.RaftState == raft.StateLeader {
		m.node.WithProgress(func(id uint64, _ raft.ProgressType, p tracker.Progress) { progress[id] = p })
	}
	for _, one := range m.members.list() {
		ms := MemberStatus{Member: one}
		if p, ok := progress[one.ID]; ok {
			ms.Match, ms.Active = p.Match, p.RecentActive || one.ID == m.cfg.ID
			ms.State = map[tracker.StateType]string{tracker.StateProbe: "probe", tracker.StateReplicate: "replicate", tracker.StateSnapshot: "snapshot"}[p.State]
		}
		s.Members = append(s.Members, ms)
	}
	return s
}
