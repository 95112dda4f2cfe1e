package store

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/tidwall/btree"
)

// state is one immutable version of all tables.
type state struct {
	trees   [tableCount]anyTree // as of index; see tree
	ahead   *[tableCount]*ahead // of a stage's view: what it shows of each table beyond that; nil: nothing
	index   uint64              // of the last entry applied
	now     int64               // newest stamp, Unix nanoseconds
	unknown *btree.BTreeG[*unknownRow]
	forking *sync.Mutex // copying a tree marks its source: one copier at a time, of all stores that share trees
}

// View is the state as of one log index. Its zero value is not usable.
type View struct{ st *state }

// Index is the log index the view shows.
func (v View) Index() uint64 { return v.st.index }

// Now is the newest stamp in the view, in Unix nanoseconds.
func (v View) Now() int64 { return v.st.now }

// Event is one row that changed. Old is nil for a new row, New for a deleted one.
type Event struct {
	Index    uint64
	Table    TableID
	Old, New Row
}

// eventLimit bounds the change feed; a watcher that falls further behind starts over from a view. At a million tasks that costs
// seconds, so that the feed bears several of the largest batches on top of each other.
const eventLimit = 1 << 16

// Store is the state and its change feed. Apply and Restore belong to one goroutine, everything else to any.
type Store struct {
	cur atomic.Pointer[state]

	mu      sync.Mutex
	limit   int // of feed; tests lower it
	feed    []Event
	dropped uint64        // highest index whose events are gone from feed
	changed chan struct{} // closed at the next change
}

// New returns an empty store.
func New() *Store {
	return over(emptyState())
}

func over(st *state) *Store {
	s := &Store{changed: make(chan struct{}), limit: eventLimit, dropped: st.index}
	s.cur.Store(st)
	return s
}

// Fork returns a store of its own that begins with the view: nothing that is applied to it shows anywhere else. It costs
// no more than what is changed in it.
func (v View) Fork() *Store { return over(v.st.settled()) }

func emptyState() *state {
	st := &state{unknown: newUnknown(), forking: &sync.Mutex{}}
	for id := range TableID(tableCount) {
		if def := tableDef(id); def != nil {
			st.trees[id] = def.newTree()
		}
	}
	return st
}

// View returns the newest state.
func (s *Store) View() View { return View{s.cur.Load()} }

// Changed returns a channel that is closed when something after this call is applied.
func (s *Store) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// Events returns what changed after index, in log order, and a view in which exactly that has been applied. ok is
// false when the feed no longer reaches back to index, or a snapshot took the state back behind it: the caller starts
// over from the view.
func (s *Store) Events(after uint64) (events []Event, v View, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v = s.View()
	if after < s.dropped || after > v.Index() {
		return nil, v, false
	}
	i := len(s.feed)
	for i > 0 && s.feed[i-1].Index > after {
		i--
	}
	return s.feed[i:len(s.feed):len(s.feed)], v, true
}

// Apply carries out one log entry and reports the batch's outcome: nil, or why it was refused. A refused batch
// writes nothing, but the index moves on all the same. Entries at or below the current index are ignored.
func (s *Store) Apply(index uint64, e Entry) error {
	cur := s.cur.Load()
	if index <= cur.index {
		return nil
	}
	next := *cur
	next.index, next.now = index, max(cur.now, e.Time)
	tx := &tx{st: &next, owned: e.owned, events: make([]Event, 0, len(e.Batch.Changes))}
	err := tx.run(index, e.Batch)
	if err != nil {
		discarded := *cur
		discarded.index, discarded.now = next.index, next.now
		s.publish(&discarded, nil)
		return err
	}
	s.publish(&next, tx.events)
	return nil
}

// Advance moves the index over an entry that is no batch.
func (s *Store) Advance(index uint64) {
	cur := s.cur.Load()
	if index <= cur.index {
		return
	}
	next := *cur
	next.index = index
	s.publish(&next, nil)
}

func (s *Store) publish(st *state, events []Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cur.Store(st)
	if len(s.feed)+len(events) > s.limit {
		drop := min(len(s.feed), max(s.limit/2, len(events)))
		if drop > 0 {
			s.dropped = s.feed[drop-1].Index
			for drop < len(s.feed) && s.feed[drop].Index == s.dropped {
				drop++ // an entry's events leave together
			}
		}
		s.feed = append([]Event(nil), s.feed[drop:]...)
	}
	s.feed = append(s.feed, events...)
	close(s.changed)
	s.changed = make(chan struct{})
}

// tx is a state under change: trees are copied when they are first written.
type tx struct {
	st     *state
	forked [tableCount]bool
	strays bool // unknown was copied
	owned  bool // the rows are nobody else's
	events []Event
}

func (tx *tx) run(index uint64, b *Batch) error {
	if err := tx.check(b); err != nil {
		return err
	}
	for _, c := range b.Changes {
		if err := tx.write(index, c); err != nil {
			return err
		}
	}
	tx.flush()
	return nil
}

// flush ends what the tables of a batch put off.
func (tx *tx) flush() {
	for id, is := range tx.forked {
		if is {
			tx.st.trees[id].flush()
		}
	}
}

// check holds the batch against its conditions and the ownership of its tables.
func (tx *tx) check(b *Batch) error {
	v := View{tx.st}
	for _, c := range b.Changes {
		def := tableDef(c.Table)
		if def == nil {
			continue // a newer build's table: kept, not judged
		}
		if !mayWrite(v, b.Writer, c, def) {
			return fmt.Errorf("%s wrote table %s: %w", b.Writer, def.Name(), ErrWriter)
		}
		if b.Writer == WriterJoin && v.st.tree(c.Table).version(c.Key) != 0 {
			return fmt.Errorf("%s: %w", def.Name(), ErrExists)
		}
	}
	for _, c := range b.Conditions {
		if err := holds(v, b, c); err != nil {
			return err
		}
	}
	return nil
}

// mayWrite holds each table to its one writer, but for the two batches that begin something: that of init and, for the
// rows of the node that comes, that of a join.
func mayWrite(v View, w Writer, c Change, def tableDescriptor) bool {
	switch w {
	case WriterInit:
		return Clusters.Len(v) == 0
	case WriterJoin:
		return c.Row != nil && (c.Table == NodeSpecs.id || c.Table == NodeIdentities.id)
	}
	return def.tableWriter() == w
}

func holds(v View, b *Batch, c Condition) error {
	if tableDef(c.Table) == nil {
		return nil
	}
	tr := v.st.tree(c.Table)
	switch version := tr.version(c.Key); {
	case c.NoUse:
		if inUse(v, c.Table, c.Key.A) {
			return fmt.Errorf("%s: %w", tableName(c.Table), ErrInUse)
		}
	case c.Ports:
		if err := portsFree(v, b, c); err != nil {
			return fmt.Errorf("%s: %w", tableName(c.Table), err)
		}
	case c.Exists && version == 0:
		return fmt.Errorf("%s: %w", tableName(c.Table), ErrNotFound)
	case c.Exists:
	case c.Version == 0 && version != 0:
		return fmt.Errorf("%s: %w", tableName(c.Table), ErrExists)
	case version != c.Version && version == 0:
		return fmt.Errorf("%s: %w", tableName(c.Table), ErrNotFound)
	case version != c.Version:
		return fmt.Errorf("%s: %w", tableName(c.Table), ErrConflict)
	}
	return nil
}

func (tx *tx) write(index uint64, c Change) error {
	if tableDef(c.Table) == nil {
		tx.writeUnknown(index, c)
		return nil
	}
	if !tx.forked[c.Table] {
		tx.st.forking.Lock()
		tx.st.trees[c.Table] = tx.st.trees[c.Table].fork()
		tx.st.forking.Unlock()
		tx.forked[c.Table] = true
	}
	tr := tx.st.trees[c.Table]
	if c.Row == nil {
		if old, ok := tr.del(c.Key); ok {
			tx.events = append(tx.events, Event{Index: index, Table: c.Table, Old: old})
		}
		return nil
	}
	if tr.late(View{tx.st}, c.Row) {
		return nil
	}
	if name, bad := tr.conflict(c.Row); bad {
		return &UniqueError{Table: c.Table, Index: name, Key: c.Key}
	}
	old, row, err := tr.put(c.Row, tx.owned, index, tx.st.now)
	if err != nil {
		return err
	}
	tx.events = append(tx.events, Event{Index: index, Table: c.Table, Old: old, New: row})
	return nil
}
