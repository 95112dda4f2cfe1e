package store

import (
	"sync"
	"testing"

	"github.com/skep-org/skep/internal/model"
	"pgregory.net/rapid"
)

// follower keeps its own copy of the rows by following the feed.
type follower struct {
	rows   map[unknownKey]Row
	seen   uint64
	resets int
}

func (f *follower) follow(t *rapid.T, s *Store) {
	events, v, ok := s.Events(f.seen)
	if !ok || f.rows == nil {
		f.resets++
		f.rows = map[unknownKey]Row{}
		for num, tr := range v.st.trees {
			if tr != nil {
				tr.scan(func(r Row) bool { f.rows[unknownKey{TableID(num), r.Key()}] = r; return true })
			}
		}
		events = nil
	}
	last := f.seen
	for _, e := range events {
		if e.Index < last || e.Index <= f.seen || e.Index > v.Index() {
			t.Fatalf("an event of %d after %d, in a feed from %d to %d", e.Index, last, f.seen, v.Index())
		}
		last = e.Index
		row := e.New
		if row == nil {
			row = e.Old
		}
		k := unknownKey{e.Table, row.Key()}
		if f.rows[k] != e.Old {
			t.Fatalf("%s: the feed says it was %+v, the follower has %+v", tableName(e.Table), e.Old, f.rows[k])
		}
		if e.New == nil {
			delete(f.rows, k)
		} else {
			f.rows[k] = e.New
		}
	}
	f.seen = v.Index()
	count := 0
	for num, tr := range v.st.trees {
		if tr == nil {
			continue
		}
		tr.scan(func(r Row) bool {
			count++
			if f.rows[unknownKey{TableID(num), r.Key()}] != r {
				t.Fatalf("the follower misses %+v", r)
			}
			return true
		})
	}
	if count != len(f.rows) {
		t.Fatalf("the follower has %d rows of %d", len(f.rows), count)
	}
}

// TestFeedLosesAndRepeatsNothing: followers that look at different times, one of them seldom enough to fall behind
// now and then, have what the store has each time they look.
func TestFeedLosesAndRepeatsNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := New()
		s.limit = 40
		quick, slow := &follower{}, &follower{}
		quick.follow(t, s)
		slow.follow(t, s)
		index := uint64(0)
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0: // more than half the feed in one entry
				index++
				b := &Batch{Writer: WriterOrchestrator}
				for i := range rapid.IntRange(s.limit/2, s.limit+10).Draw(t, "tasks") {
					b.Changes = append(b.Changes, Tasks.Put(&model.Task{ID: model.NumID(uint64(i + 1))}))
				}
				if err := s.Apply(index, Entry{Batch: b}); err != nil {
					t.Fatal(err)
				}
			case 1:
				index++
				s.Advance(index)
			case 2:
				slow.follow(t, s)
			default:
				for range rapid.IntRange(1, 5).Draw(t, "entries") {
					index++
					_ = s.Apply(index, Entry{Batch: drawBatch(t)})
				}
			}
			quick.follow(t, s)
		}
		slow.follow(t, s)
	})
}

// TestFeedIsBounded: a follower that sleeps is told to start over, and the feed stays within its limit.
func TestFeedIsBounded(t *testing.T) {
	s := New()
	for i := range uint64(3 * eventLimit) {
		c := Tasks.Put(&model.Task{ID: model.NumID(i%100 + 1), Slot: i})
		if err := s.Apply(i+1, Entry{Batch: &Batch{Writer: WriterOrchestrator, Changes: []Change{c}}}); err != nil {
			t.Fatal(err)
		}
		if len(s.feed) > eventLimit {
			t.Fatalf("%d events are kept", len(s.feed))
		}
	}
	if _, _, ok := s.Events(5); ok {
		t.Fatal("a feed that is gone was handed out")
	}
	last := s.View().Index()
	if events, _, ok := s.Events(last - eventLimit/2); !ok || len(events) != eventLimit/2 {
		t.Fatalf("half a feed back: %d events, %v", len(events), ok)
	}
}

// TestRestoreResetsTheFeed: whoever followed the old state starts over, also when the snapshot is older.
func TestRestoreResetsTheFeed(t *testing.T) {
	s, old := New(), New()
	for i := range uint64(10) {
		s.Advance(i + 1)
	}
	old.Advance(4)
	changed := s.Changed()
	var snap = snapshotOf(t, old)
	if err := s.Restore(snap); err != nil {
		t.Fatal(err)
	}
	select {
	case <-changed:
	default:
		t.Fatal("nobody was told")
	}
	for _, after := range []uint64{3, 10} {
		if _, v, ok := s.Events(after); ok || v.Index() != 4 {
			t.Fatalf("a follower at %d goes on at %d", after, v.Index())
		}
	}
}

// TestReadersBesideWriters: views are read, forked and snapshotted while entries are applied. It is for -race.
func TestReadersBesideWriters(t *testing.T) {
	s := New()
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 3 {
		wg.Go(func() {
			seen := uint64(0)
			for {
				select {
				case <-stop:
					return
				default:
				}
				_, v, _ := s.Events(seen)
				seen = v.Index()
				n := 0
				for range Tasks.All(v) {
					n++
				}
				if n != Tasks.Len(v) {
					t.Errorf("a view of %d tasks has %d", Tasks.Len(v), n)
				}
				with, err := s.With(v, []Change{Tasks.Put(&model.Task{ID: model.NumID(seen%50 + 1000)})})
				if err != nil || Tasks.Len(with) < n {
					t.Errorf("planned over %d tasks: %d, %v", n, Tasks.Len(with), err)
				}
				fork := v.Fork()
				if err := fork.Apply(seen+1, Entry{Batch: &Batch{Writer: WriterOrchestrator, Changes: []Change{Tasks.Put(&model.Task{ID: model.NumID(seen%50 + 1000)})}}}); err != nil || Tasks.Len(fork.View()) < n {
					t.Errorf("forked %d tasks: %d, %v", n, Tasks.Len(fork.View()), err)
				}
			}
		})
	}
	for i := range uint64(2000) {
		c := Tasks.Put(&model.Task{ID: model.NumID(i%200 + 1), ServiceID: model.NumID(i % 3), Slot: i})
		if i%7 == 0 {
			c = Tasks.Delete(c.Key)
		}
		if err := s.Apply(i+1, Entry{Batch: &Batch{Writer: WriterOrchestrator, Changes: []Change{c}}}); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	wg.Wait()
}
