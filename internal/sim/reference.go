package sim

import (
	"crypto/sha256"
	"fmt"
	"log/slog"

	"github.com/skep-org/skep/internal/manager"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/store/raft"
)

// reference is what was committed, as whichever member saw it first: one history, and the tables it makes.
type reference struct {
	store   *store.Store
	rep     *manager.Replicated
	history [][32]byte          // of each log entry by index
	states  map[uint64][32]byte // of the tables, at some indexes
	leaders map[uint64]uint64   // by term
}

// stateEvery is how many entries apart the members' tables are compared.
const stateEvery = 64

func newReference(w *world) (reference, error) {
	r := reference{store: store.New(), states: map[uint64][32]byte{}, leaders: map[uint64]uint64{}}
	var err error
	r.rep, err = manager.NewReplicated(r.store, w.env, slog.New(slog.DiscardHandler), nil)
	return r, err
}

// view is what was committed anywhere.
func (w *world) view() store.View { return w.ref.store.View() }

// record reports whether an entry is the first of its index.
func (w *world) record(m *member, index uint64, sum [32]byte) bool {
	r := &w.ref
	for uint64(len(r.history)) < index {
		r.history = append(r.history, [32]byte{})
	}
	switch old := r.history[index-1]; {
	case old == ([32]byte{}) && index > w.view().Index():
		r.history[index-1] = sum
		fmt.Fprintf(w.hash, "%d %x\n", index, sum)
		return true
	case old != sum:
		w.fail("m%d: log entry %d is not the one that was committed", m.id, index)
	}
	return false
}

// passed takes the entries without data, which a member is not told of, up to the one before index.
func (w *world) passed(m *member, index uint64) {
	for i := m.store.View().Index() + 1; i < index; i++ {
		w.record(m, i, sha256.Sum256(nil))
	}
}

// committed takes an entry that a member is about to apply.
func (w *world) committed(m *member, e raft.Entry) {
	sum := sha256.Sum256(e.Data)
	if !w.record(m, e.Index, sum) {
		return
	}
	w.ref.rep.Apply([]raft.Entry{e}, e.Index)
	if o := w.proposals[sum]; o != nil {
		w.cameAbout(o, e)
	}
	w.state(m, e.Index)
}

// cameAbout notes where a user's write is in the log and whether the tables took it.
func (w *world) cameAbout(o *op, e raft.Entry) {
	entry, err := store.DecodeEntry(e.Data)
	if err != nil {
		w.fail("%w", err)
		return
	}
	for _, ev := range w.eventsAt(e.Index) {
		for _, c := range entry.Batch.Changes {
			if ev.Table == c.Table && o.index == 0 {
				o.index = e.Index
			}
		}
	}
}

func (w *world) eventsAt(index uint64) []store.Event {
	events, _, _ := w.ref.store.Events(index - 1)
	return events
}

// configured takes a change of members.
func (w *world) configured(m *member, index, term uint64, members []raft.Member) {
	if w.record(m, index, sha256.Sum256([]byte(fmt.Sprint(members)))) {
		w.ref.rep.Configure(index, term, members)
	}
}

// state compares a member's tables with those of whoever was at the same index before, now and then.
func (w *world) state(m *member, index uint64) {
	if index%stateEvery != 0 {
		return
	}
	if w.view().Index() == index {
		if _, known := w.ref.states[index]; !known {
			w.ref.states[index] = w.sum(w.view())
		}
	}
	if m.store.View().Index() == index {
		w.hashed(m, m.store.View())
	}
}

// hashed compares a member's tables with those of others at the same index.
func (w *world) hashed(m *member, v store.View) {
	sum := w.sum(v)
	old, known := w.ref.states[v.Index()]
	if !known {
		w.ref.states[v.Index()] = sum
	} else if old != sum {
		w.fail("m%d: the tables at index %d are not those of the other managers", m.id, v.Index())
	}
}

func (w *world) sum(v store.View) (sum [32]byte) {
	h := sha256.New()
	if err := v.Snapshot(h); err != nil {
		w.fail("%w", err)
	}
	copy(sum[:], h.Sum(nil))
	return sum
}

// elected: of a term there is one leader.
func (w *world) elected(m *member, term uint64) {
	if old, known := w.ref.leaders[term]; known && old != m.id {
		w.fail("m%d leads term %d, which m%d led", m.id, term, old)
	}
	w.ref.leaders[term] = m.id
}
