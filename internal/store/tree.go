package store

import (
	"fmt"

	"github.com/skep-org/skep/internal/model"
)

// anyTree is a table's data without its row type: what applying a batch needs.
type anyTree interface {
	fork() anyTree
	get(model.Key) (Row, bool)
	put(row Row, owned bool, index uint64, now int64) (old Row, cur Row, err error)
	restore(Row)
	del(model.Key) (old Row, ok bool)
	version(model.Key) uint64
	conflict(row Row) (string, bool)
	late(v View, row Row) bool
	scan(func(Row) bool)
	len() int
}

func (tr *tree[R]) get(k model.Key) (Row, bool) {
	r, ok := tr.primary.Get(tr.t.pivot(k))
	if !ok {
		return nil, false
	}
	return any(r).(Row), true
}

// version is what a condition compares: 0 when there is no such row.
func (tr *tree[R]) version(k model.Key) uint64 {
	r, ok := tr.primary.Get(tr.t.pivot(k))
	if !ok {
		return 0
	}
	return tr.t.version(r)
}

// conflict names a unique index in which another row stands where row would.
func (tr *tree[R]) conflict(row Row) (string, bool) {
	r := any(row).(*R)
	for i, ix := range tr.t.indexes {
		if !ix.uniq || ix.where != nil && !ix.where(r) {
			continue
		}
		if other, ok := tr.idx[i].Get(r); ok && tr.t.key(other) != tr.t.key(r) {
			return ix.name, true
		}
	}
	return "", false
}

// late reports whether what the row builds on has gone meanwhile.
func (tr *tree[R]) late(v View, row Row) bool {
	return tr.t.admits != nil && !tr.t.admits(v, any(row).(*R))
}

// put stamps a row and stores it: a copy, so that a batch's rows stay as its writer made them, unless the row is owned.
func (tr *tree[R]) put(row Row, owned bool, index uint64, now int64) (Row, Row, error) {
	n, ok := any(row).(*R)
	if !ok {
		return nil, nil, fmt.Errorf("table %s cannot hold a %T", tr.t.name, row)
	}
	if !owned {
		c := *n
		n = &c
	}
	old, had := tr.insert(n)
	m := tr.t.meta(n)
	m.Index, m.Created, m.Updated = index, now, now
	if had {
		m.Created = tr.t.meta(old).Created
	}
	if tr.t.onWrite != nil {
		tr.t.onWrite(old, n, index)
	}
	tr.reindex(old, had, n)
	if !had {
		return nil, any(n).(Row), nil
	}
	return any(old).(Row), any(n).(Row), nil
}

// insert returns the row whose place n takes.
func (tr *tree[R]) insert(n *R) (old *R, had bool) {
	if tr.last != nil && tr.t.order(tr.last, n) < 0 {
		old, had = tr.primary.SetHint(n, &tr.hint)
	} else {
		old, had = tr.primary.Set(n)
	}
	tr.last = n
	return old, had
}

// restore stores a row as it is, stamps and all. A snapshot has the rows of a table in the order of their keys: each is the
// last one yet, and is added without looking for its place.
func (tr *tree[R]) restore(row Row) {
	r := any(row).(*R)
	if last, found := tr.primary.Max(); found && tr.t.order(last, r) >= 0 {
		old, had := tr.primary.Set(r)
		tr.reindex(old, had, r)
		return
	}
	tr.reindex(nil, false, r)
	tr.primary.Load(r)
}

func (tr *tree[R]) reindex(old *R, had bool, n *R) {
	for i, ix := range tr.t.indexes {
		stands := ix.where == nil || ix.where(n)
		if had && (ix.where == nil || ix.where(old)) && (!stands || ix.cmp(old, n) != 0) {
			tr.idx[i].Delete(old)
		}
		if stands {
			tr.idx[i].Set(n)
		}
	}
	tr.post(old, n)
}

func (tr *tree[R]) del(k model.Key) (Row, bool) {
	old, ok := tr.primary.Delete(tr.t.pivot(k))
	if !ok {
		return nil, false
	}
	for i, ix := range tr.t.indexes {
		if ix.where == nil || ix.where(old) {
			tr.idx[i].Delete(old)
		}
	}
	tr.post(old, nil)
	return any(old).(Row), true
}

func (tr *tree[R]) scan(f func(Row) bool) {
	tr.primary.Scan(func(r *R) bool { return f(any(r).(Row)) })
}

func (tr *tree[R]) len() int { return tr.primary.Len() }
