package dispatcher

import (
	"cmp"
	"errors"
	"slices"

	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

var errState = errors.New("not a state an agent reports")

// batch gathers one step's writes; of a task's reports only the latest is kept.
type batch struct {
	changes []store.Change
	status  map[model.ID]int // where a task's status stands in changes
}

func (b *batch) add(c store.Change) { b.changes = append(b.changes, c) }

func (b *batch) putStatus(row *model.TaskStatus) { b.setStatus(row.TaskID, store.Statuses.Put(row)) }

func (b *batch) dropStatus(task model.ID) {
	b.setStatus(task, store.Statuses.Delete(model.KeyOf(task)))
}

func (b *batch) setStatus(task model.ID, c store.Change) {
	if i, ok := b.status[task]; ok {
		b.changes[i] = c
		return
	}
	if b.status == nil {
		b.status = map[model.ID]int{}
	}
	b.status[task] = len(b.changes)
	b.add(c)
}

// flight is a batch under way and the reports that are safe once it has landed.
type flight struct {
	pending *store.Pending
	changes []store.Change
	acks    []ack
}

type ack struct {
	session SessionID
	seq     uint64
	bye     bool // the agent waits to hear that its bye is safe
}

// submit commits what the step decided. Reports that needed no write wait for those before them all the same: one of
// them may repeat a report that is still under way.
func (m *Machine) submit() {
	for _, changes := range control.Split(m.pending.changes) {
		b := &store.Batch{Writer: store.WriterDispatcher, Changes: changes}
		m.flights = append(m.flights, flight{pending: m.commit.Commit(b), changes: changes})
	}
	m.pending = batch{}
	acks := m.acksDue()
	if len(m.flights) > 0 {
		last := &m.flights[len(m.flights)-1]
		last.acks = append(last.acks, acks...)
		return
	}
	m.acknowledge(acks)
}

func (m *Machine) acksDue() []ack {
	var acks []ack
	for id, s := range m.talking {
		if s.seq > s.acked {
			s.acked = s.seq
			acks = append(acks, ack{session: s.id, seq: s.seq})
		}
		if s.bye {
			acks = append(acks, ack{session: s.id, bye: true})
		}
		if len(s.inbox) == 0 {
			delete(m.talking, id)
		}
	}
	slices.SortStableFunc(acks, func(a, b ack) int { return cmp.Compare(a.session, b.session) })
	return acks
}

func (m *Machine) acknowledge(acks []ack) {
	for _, a := range acks {
		switch s := m.sessions[a.session]; {
		case s == nil:
		case a.bye:
			m.end(s, wire.Goodbye_UNKNOWN, "the managers know that the node's agent ends")
		default:
			m.send(s, wire.FromAck(&wire.Ack{Seq: a.seq}))
		}
	}
}

// land takes the outcomes of batches that have one, in order. A refusal means that the term is over: the batches
// have no conditions that others could break.
func (m *Machine) land() error {
	for len(m.flights) > 0 {
		f := m.flights[0]
		_, known, err := f.pending.Result()
		if !known {
			return nil
		}
		if err != nil {
			return err
		}
		for _, c := range f.changes {
			if row, ok := c.Row.(*model.TaskStatus); ok && m.statuses[row.TaskID] == row {
				delete(m.statuses, row.TaskID)
			}
		}
		m.acknowledge(f.acks)
		m.flights = m.flights[1:]
	}
	return nil
}
