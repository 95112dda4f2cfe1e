package store

import (
	"iter"
	"slices"

	"github.com/skep-org/skep/internal/model"
	"github.com/tidwall/btree"
)

// Postings is an index in which a row stands under any number of keys, like the words of a book's index.
type Postings[R any] struct {
	table *Table[R]
	pos   int
	name  string
	keys  func(*R) []model.Key
}

// posting is one key of one row.
type posting[R any] struct {
	key model.Key
	row *R
}

// withPostings adds the indexes of many keys, which know their table only now.
func (t *Table[R]) withPostings(indexes ...*Postings[R]) *Table[R] {
	for i, ix := range indexes {
		ix.table, ix.pos = t, i
	}
	t.postings = slices.Clone(indexes)
	return t
}

// newTree orders postings by key, then by their rows' primary keys. A search starts with no row: before all that have
// the key.
func (ix *Postings[R]) newTree() *btree.BTreeG[posting[R]] {
	return btree.NewBTreeGOptions(func(a, b posting[R]) bool {
		if c := a.key.Compare(b.key); c != 0 {
			return c < 0
		}
		if a.row == nil || b.row == nil {
			return a.row == nil && b.row != nil
		}
		return ix.table.order(a.row, b.row) < 0
	}, btree.Options{NoLocks: true})
}

// From yields the rows from a key on, each as often as it has a key, in the keys' order.
func (ix *Postings[R]) From(v View, key model.Key) iter.Seq2[model.Key, *R] {
	return func(yield func(model.Key, *R) bool) {
		ix.table.in(v).posted[ix.pos].Ascend(posting[R]{key: key}, func(p posting[R]) bool { return yield(p.key, p.row) })
	}
}

// post takes a row's keys in the place of those of the row it replaces; either may be nil.
func (tr *tree[R]) post(old, cur *R) {
	for i, ix := range tr.t.postings {
		if old != nil {
			for _, k := range ix.keys(old) {
				tr.posted[i].Delete(posting[R]{k, old})
			}
		}
		if cur != nil {
			for _, k := range ix.keys(cur) {
				tr.posted[i].Set(posting[R]{k, cur})
			}
		}
	}
}
