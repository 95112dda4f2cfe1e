package archtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"golang.org/x/tools/txtar"
)

// TestArchitecture judges this module.
func TestArchitecture(t *testing.T) {
	found, err := check(t.Context(), moduleRoot(t), exceptions())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		t.Error(f)
	}
}

// TestRulesFire judges small broken modules: each script is a module in txtar form, its result what is found.
func TestRulesFire(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			dir := t.TempDir()
			write(t, dir, "go.mod", "module example.org/broken\n\ngo 1.26\n")
			for _, f := range txtar.Parse([]byte(d.Input)).Files {
				write(t, dir, f.Name, string(f.Data))
			}
			var except []exception
			if d.HasArg("except") {
				except = []exception{{"internal/node/state.go", "changes the package variable count", "it shows how exceptions work"}}
			}
			found, err := check(t.Context(), dir, except)
			if err != nil {
				return err.Error()
			}
			var b strings.Builder
			for _, f := range found {
				b.WriteString(f.String() + "\n")
			}
			return b.String()
		})
	})
}

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func moduleRoot(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
		t.Fatal(err)
	}
	return dir
}
