package sshdriver

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/skep-org/skep/internal/provision"
)

// TestRoutes: a configuration of ssh is the input; of each host that is named the way to it is told.
func TestRoutes(t *testing.T) {
	me, err := user.Current()
	require.NoError(t, err)
	datadriven.RunTest(t, "testdata/config.txt", func(t *testing.T, d *datadriven.TestData) string {
		if d.Cmd != "route" {
			d.Fatalf(t, "no command %s", d.Cmd)
		}
		path := filepath.Join(t.TempDir(), "config")
		require.NoError(t, os.WriteFile(path, []byte(d.Input+"\n"), 0o600))
		var jump string
		d.MaybeScanArgs(t, "jump", &jump)
		var out strings.Builder
		for _, arg := range d.CmdArgs {
			if arg.Key == "jump" {
				continue
			}
			fmt.Fprintf(&out, "%s:\n", arg.Key)
			way, err := routeTo(path, provision.Machine{Host: arg.Key, Jump: jump})
			if err != nil {
				fmt.Fprintf(&out, "  error: %s\n", strings.ReplaceAll(err.Error(), path, "CONFIG"))
			}
			for _, w := range way {
				line := fmt.Sprintf("  %s@%s keys=%v only=%v known=%v", w.user, w.dial(), w.identities, w.only, w.known)
				out.WriteString(strings.ReplaceAll(line, me.Username+"@", "ME@") + "\n")
			}
		}
		return out.String()
	})
}

func routeTo(path string, m provision.Machine) ([]target, error) {
	c, err := New(Options{Home: "/home/me", Configs: []string{path, "/nowhere"}}).config()
	if err != nil {
		return nil, err
	}
	return c.route(m)
}
