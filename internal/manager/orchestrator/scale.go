package orchestrator

import (
	"cmp"
	"slices"

	"github.com/skep-org/skep/internal/model"
)

// scale makes the number of a replicated service's slots what is asked. Slots that are not kept are removed at once.
func (p *plan) scale(s *service) {
	want := replicas(s.active)
	var have []*slot
	for _, sl := range s.slots {
		if sl.occupied() {
			have = append(have, sl)
		} else {
			p.bury(sl)
		}
	}
	switch {
	case uint64(len(have)) < want:
		s.slots = append(s.slots, p.grow(s, want-uint64(len(have)))...)
	case uint64(len(have)) > want:
		for _, sl := range leastWanted(have)[want:] {
			p.remove(sl, model.ReasonScaledDown)
		}
	}
	s.slots = p.settled(s.slots)
}

// settled writes the slots that are not to have a task and returns the others.
func (p *plan) settled(slots []*slot) []*slot {
	var kept []*slot
	for _, sl := range slots {
		if sl.occupied() {
			kept = append(kept, sl)
		} else {
			p.emit(sl)
		}
	}
	return kept
}

// grow makes n tasks in the lowest free slots. A slot whose tasks are being removed is free: its new task waits for
// them.
func (p *plan) grow(s *service, n uint64) []*slot {
	byNumber := make(map[uint64]*slot, len(s.slots))
	for _, sl := range s.slots {
		byNumber[sl.number] = sl
	}
	var added []*slot
	for number := uint64(1); n > 0; number++ {
		sl := byNumber[number]
		if sl != nil && sl.occupied() {
			continue
		}
		if sl == nil {
			sl = p.newSlot(slotID{service: s.id, number: number})
			added = append(added, sl)
		}
		p.add(sl, s.active.id, model.ReasonCreated, p.now)
		n--
	}
	return added
}

// leastWanted orders slots as swarm keeps them when it scales down: those first that leave the nodes evenly loaded,
// of those the running ones, of those the lowest. A slot with no task on a node, or in the middle of a change, is the
// last to stay.
func leastWanted(slots []*slot) []*slot {
	slices.SortStableFunc(slots, func(a, b *slot) int {
		return cmp.Or(boolInt(b.running())-boolInt(a.running()), cmp.Compare(a.number, b.number))
	})
	nth := make(map[*slot]int, len(slots))
	onNode := map[*node]int{}
	for _, sl := range slots {
		nth[sl] = int(^uint(0) >> 1)
		if n := sl.soleNode(); n != nil {
			onNode[n]++
			nth[sl] = onNode[n]
		}
	}
	slices.SortStableFunc(slots, func(a, b *slot) int { return cmp.Compare(nth[a], nth[b]) })
	return slots
}

// soleNode is the node of the slot's task, if it has one task and that has a node.
func (s *slot) soleNode() *node {
	var only *run
	for _, r := range s.runs {
		if r.wanted() {
			if only != nil {
				return nil
			}
			only = r
		}
	}
	if only == nil {
		only = s.newest()
	}
	return only.node
}

// replicas is how many slots a revision asks for.
func replicas(r *revision) uint64 {
	if m := r.spec.Mode.Replicated; m != nil && m.Replicas != nil {
		return *m.Replicas
	}
	return 1
}
