package store

import (
	"slices"
	"sync"

	"github.com/skep-org/skep/internal/model"
)

// tableCount bounds the table numbers this build can hold; a higher one is a newer build's.
const tableCount = 32

// tableDescriptor is a Table without its row type.
type tableDescriptor interface {
	ID() TableID
	Name() string
	tableWriter() Writer
	deferrable() bool
	admitsLate() bool
	holds(Row) bool
	newTree() anyTree
	appendRow([]byte, Row) []byte
	decodeRow([]byte) (Row, error)
}

func (t *Table[R]) tableWriter() Writer { return t.writer }
func (t *Table[R]) newTree() anyTree    { return newTree(t) }

// deferrable reports whether nothing that is written can be refused for what else the table has.
func (t *Table[R]) deferrable() bool {
	return !slices.ContainsFunc(t.indexes, func(ix *Index[R]) bool { return ix.uniq })
}

func (t *Table[R]) admitsLate() bool { return t.admits != nil }

func (t *Table[R]) holds(row Row) bool {
	_, is := any(row).(*R)
	return is
}

func (t *Table[R]) appendRow(b []byte, row Row) []byte {
	r := any(row).(*R)
	b = encodeFields(b, t.fields, r)
	if u := t.meta(r).Unknown; u != nil {
		b = append(b, *u...)
	}
	return b
}

func (t *Table[R]) decodeRow(b []byte) (Row, error) {
	r := new(R)
	unknown, err := decodeFields(b, t.fields, r)
	if err != nil {
		return nil, err
	}
	if unknown != nil {
		t.meta(r).Unknown = &unknown
	}
	return any(r).(Row), nil
}

// define describes a table; pivot makes a row that stands at a key.
func define[R any, P rowPtr[R]](num TableID, name string, w Writer, pivot func(model.Key) *R, fields ...field[R]) *Table[R] {
	return &Table[R]{
		id: num, name: name, writer: w, pivot: pivot, fields: fields,
		key:     func(r *R) model.Key { return P(r).Key() },
		order:   func(a, b *R) int { return P(a).Key().Compare(P(b).Key()) },
		meta:    func(r *R) *model.Meta { return P(r).GetMeta() },
		version: func(r *R) uint64 { return P(r).GetMeta().Index },
	}
}

// with adds the indexes, which know their table only now.
func (t *Table[R]) with(indexes ...*Index[R]) *Table[R] {
	for i, ix := range indexes {
		ix.table, ix.pos = t, i
	}
	t.indexes = slices.Clone(indexes)
	return t
}

// byID says that one id is the key. Tables of many rows say it: their rows are found without making keys of them, or a row for
// each search.
func (t *Table[R]) byID(order func(a, b *R) int, stand func(*R, model.ID)) *Table[R] {
	t.order, t.stand = order, stand
	t.probes = &sync.Pool{New: func() any { return new(R) }}
	return t
}

// admitting adds what holds a row against those of other tables when it is written.
func (t *Table[R]) admitting(admits admission[R]) *Table[R] {
	t.admits = admits
	return t
}

func tableName(num TableID) string {
	if def := tableDef(num); def != nil {
		return def.Name()
	}
	return "unknown table"
}
