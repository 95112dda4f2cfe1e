package stack_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/skep-org/skep/internal/stack/compose"
)

// TestFiles: the files of testdata/compose and testdata/stacks, as people write them. A script names the directory, further
// files and profiles.
func TestFiles(t *testing.T) {
	root, err := filepath.Abs("../../testdata")
	require.NoError(t, err)
	scripts, err := filepath.Abs("testdata/files.txt")
	require.NoError(t, err)
	t.Setenv("HOME", "/home/ada")
	seen := map[string]bool{}
	datadriven.RunTest(t, scripts, func(t *testing.T, d *datadriven.TestData) string {
		dir := filepath.Join(root, d.Cmd)
		seen[dir] = true
		t.Chdir(dir)
		o := compose.Options{Name: strings.ReplaceAll(d.Cmd, "/", "-"), Environ: []string{"HOME=/home/ada"}}
		if strings.HasPrefix(d.Cmd, "stacks/") {
			o.Files = []string{"stack.yml"}
		}
		for _, a := range d.CmdArgs {
			switch a.Key {
			case "profile":
				o.Profiles = a.Vals
			case "files":
				o.Files = a.Vals
			}
		}
		return strings.ReplaceAll(convert(t, o, ""), root, "TESTDATA")
	})
	for _, pattern := range []string{"compose/*/compose.yaml", "stacks/*/stack.yml"} {
		all, err := filepath.Glob(filepath.Join(root, pattern))
		require.NoError(t, err)
		for _, file := range all {
			if !seen[filepath.Dir(file)] {
				t.Errorf("no script has %s", file)
			}
		}
	}
}
