package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestHelp shows every command's help as users see it, so that a change of a word is reviewed.
func TestHelp(t *testing.T) {
	datadriven.RunTest(t, "testdata/help.txt", func(t *testing.T, d *datadriven.TestData) string {
		var out bytes.Buffer
		cmd := New(Options{Version: "1.2.3"})
		cmd.SetArgs(strings.Fields(d.Input))
		cmd.SetOut(&out)
		cmd.SetErr(&out)
		if err := cmd.ExecuteContext(t.Context()); err != nil {
			return "error: " + err.Error()
		}
		for line := range strings.Lines(out.String()) {
			if len(strings.TrimRight(line, "\n")) > helpWidth {
				t.Errorf("this line is longer than %d columns: %s", helpWidth, line)
			}
		}
		return out.String()
	})
}
