package store

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"net/netip"
	"reflect"
	"testing"

	"github.com/skep-org/skep/internal/model"
	"pgregory.net/rapid"
)

// hash condenses all a store would tell a restarted member.
func hash(t interface{ Fatal(...any) }, v View) [32]byte {
	var buf bytes.Buffer
	if err := v.Snapshot(&buf); err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(buf.Bytes())
}

// drawLog makes encoded entries; times go back now and then, as leaders' clocks differ.
func drawLog(t *rapid.T, most int) [][]byte {
	var log [][]byte
	for range rapid.IntRange(1, most).Draw(t, "entries") {
		raw, err := EncodeEntry(Entry{Time: rapid.Int64Range(0, 50).Draw(t, "time"), Batch: drawBatch(t)})
		if err != nil {
			t.Fatal(err)
		}
		log = append(log, raw)
	}
	return log
}

func apply(t *rapid.T, s *Store, index uint64, raw []byte) error {
	e, err := DecodeEntry(raw)
	if err != nil {
		t.Fatal(err)
	}
	return s.Apply(index, e)
}

// TestApplyIsAFunctionOfTheLog: two members that applied the same log are equal at every index, one of which was
// restarted from a snapshot on the way, and is handed entries twice.
func TestApplyIsAFunctionOfTheLog(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log := drawLog(t, 30)
		a, b := New(), New()
		for i, raw := range log {
			index := uint64(i + 1)
			errA := apply(t, a, index, raw)
			if rapid.IntRange(0, 5).Draw(t, "restart") == 0 {
				b = restored(t, b)
			}
			errB := apply(t, b, index, raw)
			if i > 0 {
				if err := apply(t, b, index, log[i-1]); err != nil {
					t.Fatalf("an old entry was judged again: %v", err)
				}
			}
			if (errA == nil) != (errB == nil) || errA != nil && errA.Error() != errB.Error() {
				t.Fatalf("one member says %v, the other %v", errA, errB)
			}
			if hash(t, a.View()) != hash(t, b.View()) {
				t.Fatalf("the members differ at %d", index)
			}
			checkIndexes(t, a.View())
			checkIndexes(t, b.View())
		}
	})
}

// checkIndexes: an index has the rows it should have, in order, and no others.
func checkIndexes(t *rapid.T, v View) {
	rev := map[*model.ServiceRevision]bool{}
	for r := range Revisions.All(v) {
		rev[r] = true
	}
	n := 0
	for svc := range someServices(v) {
		for r := range RevisionsOf(v, svc) {
			if !rev[r] || r.ServiceID != svc {
				t.Fatal("the index of revisions has a row the table has not")
			}
			n++
		}
	}
	if n != len(rev) {
		t.Fatalf("%d of %d revisions are in the index", n, len(rev))
	}
	tasks, placed := 0, 0
	for svc := range someServices(v) {
		var last *model.Task
		for x := range TasksOf(v, svc) {
			if last != nil && compareSlots(last.ServiceID, x.ServiceID, last.Slot, x.Slot, last.NodeID, x.NodeID) > 0 {
				t.Fatal("tasks are out of order")
			}
			last = x
			tasks++
		}
	}
	if tasks != Tasks.Len(v) {
		t.Fatalf("%d of %d tasks are in the index", tasks, Tasks.Len(v))
	}
	want := 0
	nodes := map[model.ID]bool{}
	for p := range Placements.All(v) {
		if !p.NodeID.IsZero() {
			want++
			nodes[p.NodeID] = true
		}
	}
	for id := range nodes {
		for p := range PlacedOn(v, id) {
			if p.NodeID != id {
				t.Fatal("a placement on another node")
			}
			placed++
		}
	}
	if placed != want {
		t.Fatalf("%d of %d placements are in the index", placed, want)
	}
	checkAllocations(t, v)
}

// checkAllocations: who has an address is found by it, and who waits is found waiting.
func checkAllocations(t *rapid.T, v View) {
	type at struct {
		network model.ID
		addr    netip.Addr
		owner   model.ID
	}
	has, waits := map[at]bool{}, 0
	networks := map[model.ID]bool{{}: true}
	for a := range Allocations.All(v) {
		if !a.Done {
			waits++
		}
		for _, n := range a.Networks {
			if networks[n.NetworkID] = true; a.Kind != model.AllocNetwork {
				has[at{n.NetworkID, n.Addr.Addr(), a.Owner}] = true
			}
		}
	}
	for id := range networks {
		var last netip.Addr
		for addr, a := range AddressesFrom(v, id, netip.Addr{}) {
			if !has[at{id, addr, a.Owner}] || addr.Less(last) || a != Allocations.ByID(v, a.Owner) {
				t.Fatalf("%s of %s stands in the index at the wrong place", addr, a.Owner)
			}
			delete(has, at{id, addr, a.Owner})
			last = addr
		}
	}
	if len(has) > 0 {
		t.Fatalf("%d addresses are not in the index", len(has))
	}
	for a := range Waiting(v) {
		if waits--; a.Done {
			t.Fatalf("%s does not wait", a.Owner)
		}
	}
	if waits != 0 {
		t.Fatalf("%d that wait are not in the index", waits)
	}
}

// someServices lists the ids that revisions and tasks refer to.
func someServices(v View) map[model.ID]bool {
	ids := map[model.ID]bool{}
	for r := range Revisions.All(v) {
		ids[r.ServiceID] = true
	}
	for x := range Tasks.All(v) {
		ids[x.ServiceID] = true
	}
	return ids
}

// TestSnapshotRoundTrip: a restored store equals its source, and a snapshot that was cut short or has a bit
// turned is refused or read whole, but never takes the store half way.
func TestSnapshotRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := New()
		for i, raw := range drawLog(t, 20) {
			_ = apply(t, s, uint64(i+1), raw)
		}
		var buf bytes.Buffer
		if err := s.View().Snapshot(&buf); err != nil {
			t.Fatal(err)
		}
		n := restored(t, s)
		if hash(t, s.View()) != hash(t, n.View()) || n.View().Index() != s.View().Index() || n.View().Now() != s.View().Now() {
			t.Fatal("the restored store differs")
		}
		before := hash(t, n.View())
		cut := rapid.IntRange(0, buf.Len()-1).Draw(t, "cut")
		if err := n.Restore(bytes.NewReader(buf.Bytes()[:cut])); err == nil {
			t.Fatalf("%d of %d bytes were taken for a whole snapshot", cut, buf.Len())
		}
		if hash(t, n.View()) != before {
			t.Fatal("a refused snapshot left traces")
		}
	})
}

// FuzzRestore: no bytes make Restore panic.
func FuzzRestore(f *testing.F) {
	s := New()
	for i, def := range tables() {
		row := fullRow(def)
		_ = s.Apply(uint64(i+1), Entry{Batch: &Batch{Writer: def.tableWriter(), Changes: []Change{{Table: def.ID(), Key: row.Key(), Row: row}}}})
	}
	var buf bytes.Buffer
	if err := s.View().Snapshot(&buf); err != nil {
		f.Fatal(err)
	}
	f.Add(buf.Bytes())
	f.Fuzz(func(_ *testing.T, b []byte) { _ = New().Restore(bytes.NewReader(b)) })
}

// TestWithIsPure: planning over changes leaves the store and the view as they were, shows the changes in its own
// view, and gives what applying them would give.
func TestWithIsPure(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := New()
		for i, raw := range drawLog(t, 10) {
			_ = apply(t, s, uint64(i+1), raw)
		}
		v := s.View()
		before := hash(t, v)
		changes := drawBatch(t).Changes
		with, err := s.With(v, changes)
		if hash(t, v) != before || hash(t, s.View()) != before {
			t.Fatal("With changed what it was given")
		}
		if err != nil {
			var unique *UniqueError
			if !errors.As(err, &unique) || hash(t, with) != before {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		again, err := s.With(with, changes)
		if err != nil {
			t.Fatalf("changes that were applied are refused: %v", err)
		}
		last := map[unknownKey]Change{}
		for _, c := range changes {
			last[unknownKey{c.Table, c.Key}] = c
		}
		for _, c := range last {
			tr := with.st.settled().trees[min(int(c.Table), tableCount-1)]
			if tableDef(c.Table) == nil {
				continue
			}
			row, found := tr.get(c.Key)
			if !found && c.Row != nil && tr.late(View{with.st}, c.Row) {
				continue // nobody wants it any more, so it is left out
			}
			if found != (c.Row != nil) || found && !sameRow(c.Table, row, c.Row) {
				t.Fatalf("%s: wrote %+v, shows %+v", tableName(c.Table), c.Row, row)
			}
			row2, _ := again.st.settled().trees[c.Table].get(c.Key)
			if found && !sameRow(c.Table, row, row2) {
				t.Fatal("the second time gives another row")
			}
		}
	})
}

// TestForksGoTheirOwnWays: a fork begins with its view and applies what its origin would; neither sees what the other does.
func TestForksGoTheirOwnWays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := New()
		for i, raw := range drawLog(t, 10) {
			_ = apply(t, s, uint64(i+1), raw)
		}
		v := s.View()
		before, next := hash(t, v), v.Index()+1
		fork, other := v.Fork(), v.Fork()
		if hash(t, fork.View()) != before {
			t.Fatal("a fork does not begin with its view")
		}
		if _, _, ok := fork.Events(v.Index()); !ok {
			t.Fatal("a fork does not tell what changes from its beginning on")
		}
		for i, raw := range drawLog(t, 5) {
			_ = apply(t, fork, next+uint64(i), raw)
			if hash(t, s.View()) != before || hash(t, other.View()) != before || hash(t, v) != before {
				t.Fatal("what was applied to a fork shows elsewhere")
			}
			_ = apply(t, s, next+uint64(i), raw)
			if hash(t, s.View()) != hash(t, fork.View()) {
				t.Fatal("a fork applies an entry to another outcome")
			}
			_ = apply(t, other, next+uint64(i), raw)
			v = s.View()
			before = hash(t, v)
		}
	})
}

type unknownKey struct {
	table TableID
	key   model.Key
}

// sameRow compares but for the stamps; a rollout's ActiveIndex is one.
func sameRow(num TableID, a, b Row) bool {
	if num == Rollouts.id {
		x, y := *a.(*model.Rollout), *b.(*model.Rollout)
		x.ActiveIndex, y.ActiveIndex = 0, 0
		x.Meta, y.Meta = model.Meta{}, model.Meta{}
		return reflect.DeepEqual(x, y)
	}
	def := tableDef(num)
	return bytes.Equal(def.appendRow(nil, a), def.appendRow(nil, b))
}

// TestRowsHandedOutAreImmutable: a writer's row is copied, a reader's stays when it is overwritten.
func TestRowsHandedOutAreImmutable(t *testing.T) {
	s := New()
	mine := &model.Service{ID: model.NumID(1), Name: "web"}
	put := func(index uint64) {
		if err := s.Apply(index, Entry{Batch: &Batch{Writer: WriterAPI, Changes: []Change{Services.Put(mine)}}}); err != nil {
			t.Fatal(err)
		}
	}
	put(1)
	v := s.View()
	read := Services.ByID(v, mine.ID)
	if read == mine || mine.Index != 0 {
		t.Fatal("the writer's own row is in the store")
	}
	mine.Name = "api"
	put(2)
	if read.Name != "web" || Services.ByID(v, mine.ID) != read || Services.ByID(s.View(), mine.ID).Name != "api" {
		t.Fatal("an old view changed")
	}
	if ServiceNamed(v, "api") != nil || ServiceNamed(v, "web") != read {
		t.Fatal("an old view's index changed")
	}
}

func snapshotOf(t interface{ Fatal(...any) }, s *Store) *bytes.Buffer {
	var buf bytes.Buffer
	if err := s.View().Snapshot(&buf); err != nil {
		t.Fatal(err)
	}
	return &buf
}

// TestPlannedOverIsWhatComes: a view with several batches under way shows what the store has once they are applied, whichever
// table is looked at first, and whether a table was looked at in between or not.
func TestPlannedOverIsWhatComes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := New()
		for i, raw := range drawLog(t, 10) {
			_ = apply(t, s, uint64(i+1), raw)
		}
		ahead, applied := s.View(), s.View().Fork()
		for range rapid.IntRange(1, 4).Draw(t, "batches") {
			changes := drawBatch(t).Changes
			next, err := s.With(ahead, changes)
			step := applied.View().st
			tx := &tx{st: &state{}}
			*tx.st = *step
			var refused error
			for _, c := range changes {
				if refused = tx.write(step.index, c); refused != nil {
					break
				}
			}
			if (err == nil) != (refused == nil) {
				t.Fatalf("planned over with %v, applied with %v", err, refused)
			}
			if err != nil {
				continue
			}
			tx.flush()
			ahead, applied = next, over(tx.st)
			if look := rapid.IntRange(0, tableCount).Draw(t, "look at"); look < tableCount && tableDef(TableID(look)) != nil {
				ahead.st.tree(TableID(look)).len()
			}
		}
		if hash(t, ahead) != hash(t, applied.View()) {
			t.Fatal("the view that was planned over is not what comes")
		}
	})
}
