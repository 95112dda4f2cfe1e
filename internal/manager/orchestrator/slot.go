package orchestrator

import (
	"iter"
	"slices"
	"time"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// mode says what is to become of a slot.
type mode uint8

const (
	serve mode = iota // it is to have a task
	hold              // what runs stays, nothing new is made: the node is paused or silent
	leave             // its tasks stop: its node is none for this service any more
)

// slot is one slot of a replicated service, or one node of a global one.
type slot struct {
	slotID
	mode mode
	why  model.Reason // of leave
	runs []*run       // oldest first
	row  *model.Slot  // nil: none
	next *model.Slot  // the row as it is to be; nil: none
}

// slots groups a service's tasks, which come ordered by slot and node.
func (p *plan) slots(tasks iter.Seq[*model.Task]) []*slot {
	var out []*slot
	for t := range tasks {
		id := slotOf(t)
		if len(out) == 0 || out[len(out)-1].slotID != id {
			out = append(out, p.newSlot(id))
		}
		s := out[len(out)-1]
		s.runs = append(s.runs, p.run(t))
	}
	for _, s := range out {
		slices.SortFunc(s.runs, byAge)
	}
	return out
}

func (p *plan) newSlot(id slotID) *slot {
	row := id.row()
	s := &slot{slotID: id, row: store.Slots.Get(p.v, row.Key())}
	s.next = s.row
	return s
}

// newest is the slot's youngest task; nil when it has none.
func (s *slot) newest() *run {
	if len(s.runs) == 0 {
		return nil
	}
	return s.runs[len(s.runs)-1]
}

// newestWanted is the youngest task that is wanted.
func (s *slot) newestWanted() *run {
	for _, r := range slices.Backward(s.runs) {
		if r.wanted() {
			return r
		}
	}
	return nil
}

// last is the task that the slot went on with last: the youngest that is wanted, or else that was wanted longest. The newest
// may be one that was made by an ask which has been replaced since, and given up before. nil when there is none.
func (s *slot) last() *run {
	last := s.newestWanted()
	if last != nil {
		return last
	}
	for _, r := range s.runs {
		if !r.drop && (last == nil || r.task.StopAt >= last.task.StopAt) {
			last = r
		}
	}
	return last
}

// occupied reports whether the slot counts as a replica: it has a task, or had its last one and rests.
func (s *slot) occupied() bool {
	n := s.newest()
	return s.newestWanted() != nil || n != nil && n.task.Desired != model.StateRemove
}

// add makes a new task in the slot. It starts as Running when nothing is in its way, which promote decides.
func (p *plan) add(s *slot, revision model.ID, why model.Reason, notBefore time.Time) *run {
	t := model.Task{
		ID: p.newID(), ServiceID: s.service, Revision: revision, NodeID: s.node, Slot: s.number,
		Desired: model.StateReady, Reason: why,
	}
	if notBefore.After(p.now) {
		t.NotBefore = notBefore.UnixNano()
	}
	r := &run{task: t}
	if !s.node.IsZero() {
		r.node = p.node(s.node)
	}
	s.runs = append(s.runs, r)
	return r
}

// remove takes the slot away with all it has.
func (p *plan) remove(s *slot, why model.Reason) {
	for _, r := range s.runs {
		r.stop(why, model.StateRemove, p.now)
	}
	s.next = nil
	p.bury(s)
}

// bury deletes the rows of removed tasks of which nothing can run any more.
func (p *plan) bury(s *slot) {
	for _, r := range s.runs {
		if r.task.Desired == model.StateRemove && r.over() {
			r.drop = true
		}
	}
}

// forget deletes the oldest of more ended tasks than the history holds. The task that a slot went on with last is always kept,
// and so is one by which a rollout counts its delay.
func (p *plan) forget(s *service, sl *slot) {
	p.bury(sl)
	kept := 0
	for _, r := range sl.runs {
		if !r.drop {
			kept++
		}
	}
	for _, r := range sl.runs {
		if p.history < 0 || kept <= max(p.history, 1) {
			return
		}
		if r.drop || !r.over() || r == sl.last() {
			continue
		}
		if busy, _ := p.takesPlace(s, r); busy && s.rollout.State.InProgress() {
			continue
		}
		r.drop = true
		kept--
	}
}

// emit writes what changed of a slot.
func (p *plan) emit(s *slot) {
	for _, r := range s.runs {
		switch {
		case r.old == nil:
			p.res.Changes = append(p.res.Changes, store.Tasks.Put(&r.task))
		case r.drop:
			p.guard(r)
			p.deleted[r.task.ID] = true
			p.res.Changes = append(p.res.Changes, store.Tasks.Delete(r.task.Key()))
		case r.task != *r.old:
			p.guard(r)
			p.res.Changes = append(p.res.Changes, store.Tasks.Put(&r.task))
		}
		// What has not ended does once its node is given up: of a job also a task that is wanted and waits for its node.
		if r.node != nil && !r.drop && !r.ended() {
			if at := r.node.orphaned(p.now); !at.IsZero() {
				p.res.Wakes(s.key(), at)
			}
		}
	}
	switch {
	case s.next == nil && s.row != nil:
		p.forgotten[s.row.Key()] = true
		p.res.Changes = append(p.res.Changes, store.Slots.Delete(s.row.Key()))
	case s.next != nil && s.next != s.row:
		p.res.Changes = append(p.res.Changes, store.Slots.Put(s.next))
	}
}
