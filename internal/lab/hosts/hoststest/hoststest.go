package hoststest

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/skep-org/skep/internal/lab/engine"
	"github.com/skep-org/skep/internal/lab/hosts"
)

// upLimit is generous: five hosts are up in six seconds, in many more when every core builds something else.
const upLimit = 2 * time.Minute

// Up makes a lab for a test: in a directory of its own unless one is given, with skep built from this source unless a
// program is given. It is taken away with the test.
func Up(t testing.TB, cfg hosts.Config) *hosts.Lab {
	t.Helper()
	NeedRoot(t)
	if cfg.Dir == "" {
		cfg.Dir = Dir(t)
	}
	if cfg.Program == "" {
		cfg.Program = Build(t, "skep")
	}
	if cfg.Whoami == "" {
		cfg.Whoami = Build(t, "whoami")
	}
	cfg.Progress = t.Output()
	ctx, cancel := context.WithTimeout(t.Context(), upLimit)
	defer cancel()
	lab, err := hosts.Up(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lab.Down(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return lab
}

// NeedRoot skips a test that cannot run.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("skipped: a lab needs root")
	}
}

// Dir is a place for a lab. t.TempDir has the test's name in it and may be too long for the sockets below.
func Dir(t testing.TB) string {
	t.Helper()
	parent, err := os.MkdirTemp("", "skeplab") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(parent) })
	return filepath.Join(parent, "lab")
}

// Build builds skep or whoami, statically, and returns the program's path.
func Build(t testing.TB, name string) string {
	t.Helper()
	pkg := map[string]string{"skep": "cmd/skep", "whoami": "examples/whoami"}[name]
	path := filepath.Join(t.TempDir(), name)
	if err := engine.BuildStatic(t.Context(), "github.com/skep-org/skep/"+pkg, path); err != nil {
		t.Fatal(err)
	}
	return path
}
