package store

import (
	"iter"
	"sync"

	"github.com/skep-org/skep/internal/model"
	"github.com/tidwall/btree"
)

// TableID is a table's number in the log; it is never reused for another meaning.
type TableID uint8

// Writer is a stage that owns tables.
type Writer uint8

// The writers. WriterInit founds a cluster: it may write every table, and only while there is no Cluster row.
// WriterJoin takes a node in: it may create, not change, rows of NodeSpec and NodeIdentity.
const (
	WriterInit Writer = iota + 1
	WriterAPI
	WriterOrchestrator
	WriterAllocator
	WriterScheduler
	WriterDispatcher
	WriterIdentity
	WriterRaft
	WriterJoin
	WriterRegistry
	WriterVolumes
)

func (w Writer) String() string {
	names := [...]string{"nobody", "init", "api", "orchestrator", "allocator", "scheduler", "dispatcher", "identity", "raft", "join", "registry", "volumes"}
	if int(w) < len(names) {
		return names[w]
	}
	return "a newer build's stage"
}

// Row is what a pointer to any table's row can do.
type Row interface {
	Key() model.Key
	GetMeta() *model.Meta
}

type rowPtr[R any] interface {
	*R
	Row
}

// Table describes the rows of type R: their number, writer, indexes and fields. It holds no data.
type Table[R any] struct {
	id       TableID
	name     string
	writer   Writer
	key      func(*R) model.Key
	order    func(a, b *R) int // of the keys
	meta     func(*R) *model.Meta
	fields   []field[R]
	indexes  []*Index[R]
	postings []*Postings[R]
	onWrite  func(old, new *R, index uint64) // stamps what only apply knows; old may be nil
	admits   admission[R]                    // nil: all rows come in time
	version  func(*R) uint64                 // what a condition on the row compares; default Meta.Index
	pivot    func(model.Key) *R              // a row that stands at the key
	probes   *sync.Pool                      // rows to search with; nil: pivot makes one each time
	stand    func(*R, model.ID)              // has one of them stand at the key
}

// admission holds a row against those of other tables: when it says no the row came too late, and is not written. near is where
// another table may have a row of the same key.
type admission[R any] func(v View, r *R, near *btree.PathHint) bool

// Index is a second order over a table's rows.
type Index[R any] struct {
	table *Table[R]
	pos   int
	name  string
	cmp   func(a, b *R) int
	where func(*R) bool // nil: every row
	uniq  bool          // two rows that compare equal may not both exist
}

// tree is one table's data in one view.
type tree[R any] struct {
	t       *Table[R]
	primary *btree.BTreeG[*R]
	idx     []*btree.BTreeG[*R]
	posted  []*btree.BTreeG[posting[R]]

	// While a batch is applied: rows that come in the order of their keys are found from where the last one was, in this
	// table and in the one they are held against.
	last         *R
	hint, beside btree.PathHint
	fresh        [][]*R // of each index: rows it lacks yet
}

func newTree[R any](t *Table[R]) *tree[R] {
	opts := btree.Options{NoLocks: true}
	tr := &tree[R]{t: t, primary: btree.NewBTreeGOptions(func(a, b *R) bool { return t.order(a, b) < 0 }, opts),
		fresh: make([][]*R, len(t.indexes))}
	for _, ix := range t.indexes {
		tr.idx = append(tr.idx, btree.NewBTreeGOptions(ix.less, opts))
	}
	for _, ix := range t.postings {
		tr.posted = append(tr.posted, ix.newTree())
	}
	return tr
}

// less breaks ties by primary key, but for unique indexes, where a tie is a conflict.
func (ix *Index[R]) less(a, b *R) bool {
	if c := ix.cmp(a, b); c != 0 || ix.uniq {
		return c < 0
	}
	return ix.table.order(a, b) < 0
}

func (tr *tree[R]) fork() anyTree {
	n := &tree[R]{t: tr.t, primary: tr.primary.Copy(), idx: make([]*btree.BTreeG[*R], len(tr.idx)), fresh: make([][]*R, len(tr.idx))}
	for i, ix := range tr.idx {
		n.idx[i] = ix.Copy()
	}
	for _, ix := range tr.posted {
		n.posted = append(n.posted, ix.Copy())
	}
	return n
}

// Get returns the row at key, or nil.
func (t *Table[R]) Get(v View, key model.Key) *R {
	r, _ := t.in(v).primary.Get(t.pivot(key))
	return r
}

// ByID returns the row one id names, or nil.
func (t *Table[R]) ByID(v View, id model.ID) *R { return t.byIDNear(v, id, nil) }

func (t *Table[R]) byIDNear(v View, id model.ID, near *btree.PathHint) *R {
	if t.probes == nil {
		return t.Get(v, model.KeyOf(id))
	}
	probe := t.probes.Get().(*R)
	t.stand(probe, id)
	r, _ := t.in(v).primary.GetHint(probe, near)
	t.probes.Put(probe)
	return r
}

// Len counts the rows.
func (t *Table[R]) Len(v View) int { return t.in(v).primary.Len() }

// All yields the rows in key order.
func (t *Table[R]) All(v View) iter.Seq[*R] {
	return func(yield func(*R) bool) { t.in(v).primary.Scan(yield) }
}

// From yields the rows whose key is not below key, in key order.
func (t *Table[R]) From(v View, key model.Key) iter.Seq[*R] {
	return func(yield func(*R) bool) { t.in(v).primary.Ascend(t.pivot(key), yield) }
}

// ID is the table's number.
func (t *Table[R]) ID() TableID { return t.id }

// Name is the table's name in messages.
func (t *Table[R]) Name() string { return t.name }

func (t *Table[R]) in(v View) *tree[R] { return v.st.tree(t.id).(*tree[R]) }

// From yields the index's rows that do not compare below pivot, in the index's order. Of pivot only the fields the
// index orders by matter; leaving the last ones zero starts at the first row with the same leading ones.
func (ix *Index[R]) From(v View, pivot *R) iter.Seq[*R] {
	return func(yield func(*R) bool) { ix.table.in(v).idx[ix.pos].Ascend(pivot, yield) }
}

// First returns the first row that does not compare below pivot and compares equal to it, or nil.
func (ix *Index[R]) First(v View, pivot *R) *R {
	for r := range ix.From(v, pivot) {
		if ix.cmp(r, pivot) == 0 {
			return r
		}
		break
	}
	return nil
}

// while yields the rows of an index from pivot on as long as they belong.
func (ix *Index[R]) while(v View, pivot *R, belongs func(*R) bool) iter.Seq[*R] {
	return func(yield func(*R) bool) {
		ix.table.in(v).idx[ix.pos].Ascend(pivot, func(r *R) bool { return belongs(r) && yield(r) })
	}
}
