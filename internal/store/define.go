package store

import (
	"slices"

	"github.com/skep-org/skep/internal/model"
)

// tableCount bounds the table numbers this build can hold; a higher one is a newer build's.
const tableCount = 32

// tableDescriptor is a Table without its row type.
type tableDescriptor interface {
	ID() TableID
	Name() string
	tableWriter() Writer
	newTree() anyTree
	appendRow([]byte, Row) []byte
	decodeRow([]byte) (Row, error)
}

func (t *Table[R]) tableWriter() Writer { return t.writer }
func (t *Table[R]) newTree() anyTree    { return newTree(t) }

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

// byID says that one id is the key. Tables of many rows say it: their rows are found without making keys of them.
func (t *Table[R]) byID(order func(a, b *R) int) *Table[R] {
	t.order = order
	return t
}

// admitting adds what holds a row against those of other tables when it is written.
func (t *Table[R]) admitting(admits func(View, *R) bool) *Table[R] {
	t.admits = admits
	return t
}

func tableName(num TableID) string {
	if def := tableDef(num); def != nil {
		return def.Name()
	}
	return "unknown table"
}
