package source

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"golang.org/x/tools/txtar"
)

// TestLocate: the input of "files" is in txtar form, in the order they are merged, references resolved by their names; that
// of "locate" are paths.
func TestLocate(t *testing.T) {
	files := &Files{}
	datadriven.RunTest(t, "testdata/locate.txt", func(_ *testing.T, d *datadriven.TestData) string {
		var b strings.Builder
		switch d.Cmd {
		case "files":
			files = &Files{}
			for _, f := range txtar.Parse([]byte(d.Input)).Files {
				if err := files.Add(f.Name, f.Data, ""); err != nil {
					return err.Error()
				}
			}
			for _, f := range txtar.Parse([]byte(d.Input)).Files {
				for _, r := range files.References(f.Name) {
					fmt.Fprintf(&b, "%s refers to %s, service %q of %q\n", f.Name, r.File, r.Service, r.Base)
					files.Extend(r.File, r.Base, r.Service)
				}
			}
		case "locate":
			for path := range strings.FieldsSeq(d.Input) {
				at := files.Locate(strings.Split(path, "."))
				fmt.Fprintf(&b, "%s: %s:%d exact=%v\n", path, at.File, at.Line, at.Exact)
			}
		case "mention":
			at := files.Mention(d.Input)
			fmt.Fprintf(&b, "%s:%d\n", at.File, at.Line)
		}
		return b.String()
	})
}
