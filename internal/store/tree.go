package store

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/skep-org/skep/internal/model"
	"github.com/tidwall/btree"
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
	flush()
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
	r, is := any(row).(*R)
	return is && tr.t.admits != nil && !tr.t.admits(v, r, tr.near(r, &tr.beside))
}

// near is the hint for a row whose place, in a tree with the same keys, is after that of the one before; nil: it is not known.
func (tr *tree[R]) near(r *R, hint *btree.PathHint) *btree.PathHint {
	if tr.last == nil || tr.t.order(tr.last, r) >= 0 {
		return nil
	}
	return hint
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
	old, had = tr.primary.SetHint(n, tr.near(n, &tr.hint))
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

// reindex has the indexes follow. New rows wait until the batch is through: those of an index are put there in its order.
func (tr *tree[R]) reindex(old *R, had bool, n *R) {
	if had {
		tr.flush()
	}
	for i, ix := range tr.t.indexes {
		stands := ix.where == nil || ix.where(n)
		if had && (ix.where == nil || ix.where(old)) && (!stands || ix.cmp(old, n) != 0) {
			tr.idx[i].Delete(old)
		}
		switch {
		case !stands:
		case had || ix.uniq:
			tr.idx[i].Set(n)
		default:
			tr.fresh[i] = append(tr.fresh[i], n)
		}
	}
	tr.post(old, n)
}

// flush puts new rows into the indexes.
func (tr *tree[R]) flush() {
	for i, rows := range tr.fresh {
		if len(rows) == 0 {
			continue
		}
		ix := tr.t.indexes[i]
		order := func(a, b *R) int { return cmp.Or(ix.cmp(a, b), tr.t.order(a, b)) }
		if !slices.IsSortedFunc(rows, order) {
			slices.SortFunc(rows, order)
		}
		var hint btree.PathHint
		for _, r := range rows {
			tr.idx[i].SetHint(r, &hint)
		}
		tr.fresh[i] = nil
	}
}

func (tr *tree[R]) del(k model.Key) (Row, bool) {
	old, ok := tr.primary.Delete(tr.t.pivot(k))
	if !ok {
		return nil, false
	}
	tr.flush()
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
