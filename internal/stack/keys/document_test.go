package keys

import (
	"flag"
	"os"
	"testing"

	_ "github.com/cockroachdb/datadriven" // brings -rewrite, as elsewhere
)

// TestDocument: docs/compose.md is the table.
func TestDocument(t *testing.T) {
	const path = "../../../docs/compose.md"
	want := Document()
	if flag.Lookup("rewrite").Value.String() == "true" {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil { //nolint:gosec // a document
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("docs/compose.md is not what the table says (%v): go test ./internal/stack/keys -rewrite writes it", err)
	}
}
