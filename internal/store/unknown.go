package store

import (
	"cmp"

	"github.com/skep-org/skep/internal/model"
	"github.com/tidwall/btree"
)

// unknownRow is a row of a table that only a newer build knows. It is kept as it came, stamps included, so that it is
// in this member's snapshots and the newer build finds it as it left it.
type unknownRow struct {
	table TableID
	key   model.Key
	meta  model.Meta
	raw   []byte
}

func newUnknown() *btree.BTreeG[*unknownRow] {
	return btree.NewBTreeGOptions(func(a, b *unknownRow) bool {
		return cmp.Or(cmp.Compare(a.table, b.table), a.key.Compare(b.key)) < 0
	}, btree.Options{NoLocks: true})
}

// writeUnknown is write for a table this build does not know; nobody watches it.
func (tx *tx) writeUnknown(index uint64, c Change) {
	if !tx.strays {
		tx.st.forking.Lock()
		tx.st.unknown = tx.st.unknown.Copy()
		tx.st.forking.Unlock()
		tx.strays = true
	}
	row := &unknownRow{table: c.Table, key: c.Key, raw: c.raw}
	if c.raw == nil {
		tx.st.unknown.Delete(row)
		return
	}
	row.meta = model.Meta{Index: index, Created: tx.st.now, Updated: tx.st.now}
	if old, ok := tx.st.unknown.Get(row); ok {
		row.meta.Created = old.meta.Created
	}
	tx.st.unknown.Set(row)
}
