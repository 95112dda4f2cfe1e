package store

import (
	"slices"
	"sync"
)

// ahead is what a view shows of one table beyond the state it was made of. It is carried out when the table is first looked
// at: a stage plans over all that it has under way, and has seldom a look at what it has decided itself.
type ahead struct {
	once    sync.Once
	batches [][]Change // those of other tables among them
	done    anyTree
}

// tree is a table's data.
func (st *state) tree(id TableID) anyTree {
	if st.ahead == nil || st.ahead[id] == nil {
		return st.trees[id]
	}
	a := st.ahead[id]
	a.once.Do(func() { a.done = st.carriedOut(id, a.batches) })
	return a.done
}

// carriedOut is a table with changes that cannot be refused.
func (st *state) carriedOut(id TableID, batches [][]Change) anyTree {
	st.forking.Lock()
	tr := st.trees[id].fork()
	st.forking.Unlock()
	for _, changes := range batches {
		for _, c := range changes {
			switch {
			case c.Table != id:
			case c.Row == nil:
				tr.del(c.Key)
			case !tr.late(View{st}, c.Row):
				_, _, _ = tr.put(c.Row, false, st.index, st.now)
			}
		}
	}
	tr.flush()
	return tr
}

// settled is the state with nothing ahead.
func (st *state) settled() *state {
	if st.ahead == nil {
		return st
	}
	next := *st
	for id := range st.trees {
		next.trees[id] = st.tree(TableID(id))
	}
	next.ahead = nil
	return &next
}

// With returns the view as it would be were changes applied: a stage plans over what it has already proposed. The
// rows carry the view's own index and time as stamps. The changes must not be changed afterwards.
func (s *Store) With(v View, changes []Change) (View, error) {
	if touched, may := mayWait(v.st, changes); may {
		return v.with(touched, changes), nil
	}
	next := *v.st.settled()
	tx := &tx{st: &next}
	for _, c := range changes {
		if err := tx.write(next.index, c); err != nil {
			return v, err
		}
	}
	tx.flush()
	return View{&next}, nil
}

// mayWait reports which tables changes are of, and whether they can be carried out later: that is, not be refused, and none
// looked at by what is written of another.
func mayWait(st *state, changes []Change) (touched [tableCount]bool, may bool) {
	tables, admitted := 0, false
	count := func(id TableID, def tableDescriptor) {
		touched[id] = true
		tables++
		admitted = admitted || def.admitsLate()
	}
	for _, c := range changes {
		def := tableDef(c.Table)
		if def == nil || !def.deferrable() || c.Row != nil && !def.holds(c.Row) {
			return touched, false
		}
		if !touched[c.Table] {
			count(c.Table, def)
		}
	}
	if st.ahead != nil {
		for id, a := range st.ahead {
			if a != nil && !touched[id] {
				tables++
				admitted = admitted || tableDef(TableID(id)).admitsLate()
			}
		}
	}
	return touched, tables == 1 || !admitted
}

func (v View) with(touched [tableCount]bool, changes []Change) View {
	next := *v.st
	next.ahead = &[tableCount]*ahead{}
	if v.st.ahead != nil {
		*next.ahead = *v.st.ahead
	}
	for id, is := range touched {
		if !is {
			continue
		}
		a := &ahead{batches: [][]Change{changes}}
		if before := next.ahead[id]; before != nil {
			a.batches = slices.Concat(before.batches, a.batches)
		}
		next.ahead[id] = a
	}
	return View{&next}
}
