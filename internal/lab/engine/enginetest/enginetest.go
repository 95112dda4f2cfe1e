package enginetest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/skep-org/skep/internal/lab/engine"
)

// startLimit is generous: an engine is up in 0.2 s alone, in several seconds when every core builds something else.
const startLimit = 60 * time.Second

// Start gives the test an engine of its own with a private network, and ends it with the test. Options change the
// configuration before the start.
func Start(t testing.TB, options ...func(*engine.Config)) *engine.Engine {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("skipped: a private Docker Engine needs root")
	}
	if _, err := exec.LookPath("dockerd"); err != nil {
		t.Skip("skipped: dockerd is not installed; make setup installs it")
	}
	cfg := engine.Config{Dir: Dir(t)}
	for _, o := range options {
		o(&cfg)
	}
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	e, err := engine.Start(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Stop(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// Dir is a directory for an engine that goes away with the test. t.TempDir has the test's name in it and may be too
// long for the sockets below.
func Dir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "skep") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// whoami is examples/whoami, compiled at its first use.
var whoami = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "skep-whoami")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "whoami")
	if err := engine.BuildStatic(context.Background(), "github.com/skep-org/skep/examples/whoami", path); err != nil {
		return "", err
	}
	program, err := os.ReadFile(path)
	return string(program), err
})

// Whoami imports examples/whoami into the engine under the given tag, as skep/whoami:1 and skep/whoami:2 for instance.
// Further changes are Dockerfile instructions and make tags differ in their image id.
func Whoami(t testing.TB, e *engine.Engine, tag string, changes ...string) {
	t.Helper()
	program, err := whoami()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "whoami")
	if err := os.WriteFile(path, []byte(program), 0o755); err != nil {
		t.Fatal(err)
	}
	changes = append([]string{`ENTRYPOINT ["/whoami"]`, "EXPOSE 8080"}, changes...)
	files := []engine.File{{Path: "/whoami", From: path}}
	if _, err := engine.ImportImage(context.Background(), e.Client(), tag, files, changes...); err != nil {
		t.Fatal(err)
	}
}
