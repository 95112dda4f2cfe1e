package keys

import (
	"fmt"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/schema"
)

// TestTable: every key of the specification's schema has an entry, or is below one that speaks for it; and no entry is of a
// key that the specification has no more.
func TestTable(t *testing.T) {
	table := index()
	if len(table) != len(Table()) {
		t.Errorf("%d of %d entries are there twice", len(Table())-len(table), len(Table()))
	}
	known := map[string]bool{}
	for _, p := range schema.AttributePaths() {
		path := string(p)
		known[path] = true
		if _, has := table[path]; !has && !spokenFor(table, path) {
			t.Errorf("the specification's key %s is not in the table", path)
		}
	}
	if text := totals(); !strings.Contains(text, fmt.Sprintf("specification has %d keys", len(known))) {
		t.Errorf("not all of %d keys are counted:%s", len(known), text)
	}
	for path, e := range table {
		if !known[path] {
			t.Errorf("the table's key %s is not in the specification", path)
		}
		if e.Verdict != Honoured && e.Says == "" {
			t.Errorf("the table does not say why %s is %s", path, e.Verdict)
		}
		if spokenFor(table, path) {
			t.Errorf("the table's key %s is below one that speaks for it", path)
		}
	}
}

// spokenFor reports whether a key is below one that is left out as a whole or has keys of the user's choice.
func spokenFor(table map[string]Entry, path string) bool {
	for {
		end := strings.LastIndex(path, ".")
		if end < 0 {
			return false
		}
		path = path[:end]
		if e, has := table[strings.TrimSuffix(path, ".[]")]; has && (e.Below || e.Verdict >= Noted) {
			return true
		}
	}
}
