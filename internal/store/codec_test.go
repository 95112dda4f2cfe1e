package store

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"github.com/skep-org/skep/internal/model"
	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"
)

// TestEveryFieldIsKept fails for a field somebody added to a row and forgot in the schema.
func TestEveryFieldIsKept(t *testing.T) {
	for _, def := range tables() {
		row := fullRow(def)
		got, err := def.decodeRow(def.appendRow(nil, row))
		if err != nil {
			t.Fatalf("%s: %v", def.Name(), err)
		}
		if !reflect.DeepEqual(row, got) {
			t.Errorf("%s: wrote %+v\nread %+v", def.Name(), row, got)
		}
	}
}

// TestFieldNumbersAreUnique: two fields of one number would overwrite each other.
func TestFieldNumbersAreUnique(t *testing.T) {
	// A repeated message writes its number once an element; those of fullRow have two.
	type field struct {
		table uint64
		num   protowire.Number
	}
	lists := map[field]bool{{uint64(Allocations.ID()), 6}: true, {uint64(VolumeStates.ID()), 8}: true, {uint64(NodeVolumes.ID()), 2}: true}
	for _, def := range tables() {
		seen := map[protowire.Number]bool{}
		err := eachField(def.appendRow(nil, fullRow(def)), func(num protowire.Number, _ fieldData, _ []byte) error {
			if seen[num] && !lists[field{uint64(def.ID()), num}] {
				t.Errorf("%s: field %d is written twice", def.Name(), num)
			}
			seen[num] = true
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// TestEntryRoundTrip: what is written to the log is read back, rows and conditions.
func TestEntryRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := Entry{Time: rapid.Int64().Draw(t, "time"), Proposal: rapid.Uint64().Draw(t, "proposal"), Batch: drawBatch(t)}
		raw, err := EncodeEntry(e)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeEntry(raw)
		if err != nil {
			t.Fatal(err)
		}
		e.owned = true // what was read is the store's to keep
		if !reflect.DeepEqual(e, got) {
			t.Fatalf("wrote %+v\nread %+v", e.Batch, got.Batch)
		}
		size := 0
		for _, c := range e.Batch.Changes {
			var enc Encoder
			again, n := enc.Encoded(c)
			if size += n; n != c.Size() || again.Size() != n {
				t.Fatalf("a change takes %d, %d and %d bytes", n, c.Size(), again.Size())
			}
		}
		if conditions := 100 * len(e.Batch.Conditions); len(raw) > size+conditions+40 {
			t.Fatalf("changes of %d bytes make an entry of %d", size, len(raw))
		}
	})
}

// TestUnknownFieldsSurvive: a row that a newer build wrote keeps what this build does not know, at every place it
// passes, and when this build writes the row anew from what it read.
func TestUnknownFieldsSurvive(t *testing.T) {
	for _, def := range tables() {
		row := fullRow(def)
		raw := def.appendRow(nil, row)
		extra := protowire.AppendBytes(protowire.AppendTag(nil, 900, protowire.BytesType), []byte("from tomorrow"))
		extra = protowire.AppendVarint(protowire.AppendTag(extra, 901, protowire.VarintType), 7)
		extra = protowire.AppendFixed64(protowire.AppendTag(extra, 902, protowire.Fixed64Type), 8)
		read, err := def.decodeRow(append(raw, extra...))
		if err != nil {
			t.Fatalf("%s: %v", def.Name(), err)
		}
		s := New()
		c := Change{Table: def.ID(), Key: read.Key(), Row: read}
		if err := s.Apply(1, reencode(t, &Batch{Writer: def.tableWriter(), Changes: []Change{c}})); err != nil {
			t.Fatal(err)
		}
		s = restored(t, s)
		stored, _ := s.View().st.trees[def.ID()].get(row.Key())
		if got := def.appendRow(nil, stored); !bytes.HasSuffix(got, extra) {
			t.Errorf("%s: the unknown fields are gone: %x", def.Name(), got)
		}
	}
}

func reencode(t interface{ Fatal(...any) }, b *Batch) Entry {
	raw, err := EncodeEntry(Entry{Time: 5, Batch: b})
	if err != nil {
		t.Fatal(err)
	}
	e, err := DecodeEntry(raw)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// restored is a store made of s's snapshot.
func restored(t interface{ Fatal(...any) }, s *Store) *Store {
	var buf bytes.Buffer
	if err := s.View().Snapshot(&buf); err != nil {
		t.Fatal(err)
	}
	n := New()
	if err := n.Restore(&buf); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestTooLargeIsRefused(t *testing.T) {
	secret := &model.Secret{ID: model.NumID(1), Name: string(make([]byte, MaxBatchBytes))}
	if _, err := EncodeEntry(Entry{Batch: &Batch{Writer: WriterAPI, Changes: []Change{Secrets.Put(secret)}}}); !errors.Is(err, ErrTooLarge) {
		t.Fatalf("got %v", err)
	}
}

// FuzzDecodeEntry: whatever stands in the log, reading it ends in an entry or an error, and an entry that was read
// can be applied and written again.
func FuzzDecodeEntry(f *testing.F) {
	var changes []Change
	for _, def := range tables() {
		row := fullRow(def)
		changes = append(changes, Change{Table: def.ID(), Key: row.Key(), Row: row}, Change{Table: def.ID(), Key: row.Key()})
	}
	changes = append(changes, Change{Table: 200, Key: model.KeyOf(model.NumID(1)), raw: []byte("x")})
	conditions := []Condition{Services.Absent(model.KeyOf(model.NumID(2))), Networks.Unused(model.KeyOf(model.NumID(1))), Tasks.Present(model.KeyOf(model.NumID(3)))}
	raw, err := EncodeEntry(Entry{Time: 1, Proposal: 2, Batch: &Batch{Writer: WriterInit, Conditions: conditions, Changes: changes}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := DecodeEntry(b)
		if err != nil {
			return
		}
		s := New()
		_ = s.Apply(1, e) // refused or not, it must not panic
		if _, err := EncodeEntry(e); err != nil && !errors.Is(err, ErrTooLarge) {
			t.Fatal(err)
		}
	})
}
