package raft

import (
	"bytes"
	"encoding/binary"

	"go.etcd.io/raft/v3"
)

// Read is the answer to [Machine.Read]: the state machine is at least as new as it was anywhere when Read was called.
type Read struct{ Token, Index uint64 }

// readRetryTicks after which an unanswered round is asked again: its messages may be lost.
const readRetryTicks = 5

// reads gathers the reads of one round to the quorum: those that come during a round share the next.
type reads struct {
	round          uint64
	ctx            []byte // of the newest round
	waiting, asked []uint64
	age            int
	retry          bool
	confirmed      []Read
}

// Read asks for leave to read the state machine. The answer comes in [Output.Reads]; it may take until there is a
// leader, so callers give up by themselves.
func (m *Machine) Read(token uint64) { m.reads.waiting = append(m.reads.waiting, token) }

// begin asks the quorum, through the leader, for how far the log was committed now or later.
func (r *reads) begin(m *Machine) {
	if m.newLeader() {
		return
	}
	if len(r.asked) == 0 {
		if len(r.waiting) == 0 {
			return
		}
		r.asked, r.waiting = r.waiting, nil
	} else if !r.retry {
		return
	}
	r.retry, r.age = false, 0
	r.round++
	// The leader tells rounds apart by this context alone: whose, of which life, which round.
	ctx := binary.BigEndian.AppendUint64(nil, m.cfg.ID)
	ctx = binary.BigEndian.AppendUint64(ctx, m.cfg.Incarnation)
	r.ctx = binary.BigEndian.AppendUint64(ctx, r.round)
	m.node.ReadIndex(r.ctx)
}

// newLeader: this member was elected but has not applied what its predecessors committed. A leader that is the only
// voter is asked for its commit index by the library all the same, and would answer with an old one; so it is not asked.
func (m *Machine) newLeader() bool {
	st := m.node.BasicStatus()
	return st.RaftState == raft.StateLeader && m.ownTerm != st.GetTerm()
}

// due: there are reads that no round carries, and one may begin.
func (r *reads) due(m *Machine) bool {
	return len(r.asked) == 0 && len(r.waiting) > 0 && !m.newLeader()
}

func (r *reads) tick() {
	if r.age++; r.age >= readRetryTicks {
		r.retry = true
	}
}

// again asks anew at once, for the leader that was asked leads no more.
func (r *reads) again() { r.retry = true }

func (r *reads) confirm(states []raft.ReadState) {
	for _, s := range states {
		if len(r.asked) == 0 || !bytes.Equal(s.RequestCtx, r.ctx) {
			continue
		}
		for _, token := range r.asked {
			r.confirmed = append(r.confirmed, Read{Token: token, Index: s.Index})
		}
		r.asked = nil
	}
}

// release answers the reads whose index is applied.
func (r *reads) release(m *Machine) {
	var later []Read
	for _, read := range r.confirmed {
		if read.Index <= m.applied {
			m.out.Reads = append(m.out.Reads, read)
		} else {
			later = append(later, read)
		}
	}
	r.confirmed = later
}
