package store

import (
	"testing"

	"pgregory.net/rapid"
)

// TestAddressesAreFound: whatever is written, changed and deleted, whoever has an address is found by it.
func TestAddressesAreFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := New()
		for i := range rapid.IntRange(1, 30).Draw(t, "writes") {
			row := drawRow(t, Allocations, someIDs())
			c := Change{Table: Allocations.ID(), Key: row.Key()}
			if rapid.IntRange(0, 3).Draw(t, "delete") > 0 {
				c.Row = row
			}
			before := s.View()
			if err := s.Apply(uint64(i+1), reencode(t, &Batch{Writer: WriterAllocator, Changes: []Change{c}})); err != nil {
				t.Fatal(err)
			}
			if rapid.IntRange(0, 9).Draw(t, "restart") == 0 {
				s = restored(t, s)
			}
			checkAllocations(t, before)
			checkAllocations(t, s.View())
		}
	})
}
