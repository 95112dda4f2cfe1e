package agent

import (
	"slices"
	"time"

	"github.com/skep-org/skep/internal/model"
)

// opQueue holds operations until there is room for them.
type opQueue struct {
	waiting [kinds][]*Op
	limit   [kinds]*room
	last    OpID
}

// room is what several kinds of operations share.
type room struct {
	used, max int
	together  int    // how many may contend for the processors
	young     []turn // those that do, the oldest first
}

// turn is when an operation began.
type turn struct {
	op OpID
	at time.Time
}

// has reports whether one more operation may begin.
func (r *room) has(now time.Time) bool {
	for len(r.young) > 0 && !r.young[0].at.Add(contends).After(now) {
		r.young = r.young[1:]
	}
	return r.used < r.max && len(r.young) < r.together
}

func (r *room) enter(op OpID, now time.Time) {
	r.used++
	r.young = append(r.young, turn{op, now})
}

func (r *room) leave(op OpID) {
	r.used--
	r.young = slices.DeleteFunc(r.young, func(t turn) bool { return t.op == op })
}

func newOpQueue(o Options) opQueue {
	work, stops := &room{max: o.Work, together: o.Together}, &room{max: o.Stops, together: o.Stops}
	return opQueue{limit: [kinds]*room{Start: work, Prepare: work, Remove: work, Stop: stops}}
}

func (q *opQueue) add(kind Kind, task model.ID) *Op {
	q.last++
	op := &Op{ID: q.last, Kind: kind, Task: task}
	q.waiting[kind] = append(q.waiting[kind], op)
	return op
}

// nextTurn is when operations that wait may begin though none ends: the oldest of those in their way contends no longer.
func (m *Machine) nextTurn() (next time.Time) {
	if !m.up {
		return next
	}
	for kind := Start; kind < kinds; kind++ {
		if r := m.ops.limit[kind]; len(m.ops.waiting[kind]) > 0 && r.used < r.max && len(r.young) >= r.together {
			next = earliest(next, r.young[0].at.Add(contends))
		}
	}
	return next
}
