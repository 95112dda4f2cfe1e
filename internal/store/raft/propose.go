package raft

import (
	"errors"
	"fmt"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/tracker"
)

// Propose asks for data to be committed. Without an error it was accepted: it will be applied, or the end of this
// member's leadership is reported. The machine keeps data.
func (m *Machine) Propose(data []byte) error {
	if len(data) > MaxEntrySize {
		return ErrTooLarge
	}
	if len(data) == 0 {
		return errors.New("raft: an entry without data cannot be proposed; raft keeps those for itself")
	}
	if !m.leads() {
		return ErrNotLeader
	}
	return dropped(m.node.Propose(data))
}

// ProposeChange asks for other members. The change takes effect when Configure tells it.
func (m *Machine) ProposeChange(c Change) error {
	if !m.leads() {
		return ErrNotLeader
	}
	// The library would turn a second change into an empty entry without a word.
	if m.changing || m.members.joint() {
		return ErrChangePending
	}
	if err := m.members.check(c); err != nil {
		return err
	}
	// The others might not know yet that the change is committed, while this member's log, longer by what it took since,
	// forbids it to vote for them: nobody could be elected.
	if c.demotes(m.cfg.ID) {
		return errors.New("raft: the leading manager cannot be demoted or removed; hand leadership to another one first")
	}
	cc, err := c.encode()
	if err != nil {
		return err
	}
	if err := m.node.ProposeConfChange(cc); err != nil {
		return dropped(err)
	}
	m.changing = true
	return nil
}

// Transfer hands leadership to a voter, to the one that has most of the log when to is 0. It takes effect when Lead
// tells it, or not at all: after an election timeout the attempt is given up. Meanwhile proposals are refused.
func (m *Machine) Transfer(to uint64) error {
	if !m.leads() {
		return ErrNotLeader
	}
	if to == 0 {
		to = m.bestSuccessor()
	}
	ok := false
	m.node.WithProgress(func(id uint64, t raft.ProgressType, _ tracker.Progress) {
		ok = ok || id == to && t == raft.ProgressTypePeer && id != m.cfg.ID
	})
	if !ok {
		return fmt.Errorf("raft: leadership cannot go to member %x, which is not another voter", to)
	}
	m.node.TransferLeader(to)
	return nil
}

func (m *Machine) bestSuccessor() (best uint64) {
	var most uint64
	m.node.WithProgress(func(id uint64, t raft.ProgressType, p tracker.Progress) {
		if id != m.cfg.ID && t == raft.ProgressTypePeer && p.RecentActive && (best == 0 || p.Match > most) {
			best, most = id, p.Match
		}
	})
	return best
}

// leads: the leadership last reported still holds, and no successor is being installed.
func (m *Machine) leads() bool {
	st := m.node.BasicStatus()
	return m.lead.Leading && st.RaftState == raft.StateLeader && st.GetTerm() == m.lead.Term && st.LeadTransferee == 0
}

// dropped tells why the library took no proposal from a leader: what waits is too much.
func dropped(err error) error {
	if errors.Is(err, raft.ErrProposalDropped) {
		return ErrBusy
	}
	return err
}
