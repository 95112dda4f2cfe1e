package store

import (
	"github.com/skep-org/skep/internal/model"
	"github.com/tidwall/btree"
)

// Beside finds rows of a table for ids that come in rising order, as those of another table do: it goes along, where a search
// would begin at the root each time.
type Beside[R any] struct {
	table *Table[R]
	iter  btree.IterG[*R]
	probe *R
	row   *R // the first one that does not stand before the last id asked for; nil: there is none
}

// nearby is how many rows are passed over before it pays to search.
const nearby = 8

// Beside begins before the first row of the view. The table's rows are named by one id each.
func (t *Table[R]) Beside(v View) *Beside[R] {
	b := &Beside[R]{table: t, probe: new(R)}
	b.iter.Init(t.in(v).primary, false)
	b.step(b.iter.First())
	return b
}

func (b *Beside[R]) step(found bool) {
	b.row = nil
	if found {
		b.row = b.iter.Item()
	}
}

// ByID returns the row one id names, or nil.
func (b *Beside[R]) ByID(id model.ID) *R {
	b.table.stand(b.probe, id)
	for n := 0; b.row != nil; n++ {
		switch c := b.table.order(b.row, b.probe); {
		case c == 0:
			return b.row
		case c > 0:
			return nil
		}
		if n < nearby {
			b.step(b.iter.Next())
		} else {
			b.step(b.iter.Seek(b.probe))
		}
	}
	return nil
}
