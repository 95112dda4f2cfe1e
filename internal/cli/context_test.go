package cli

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/skep-org/skep/internal/cli/dockerconfig"
)

func skep(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	cmd := New(Options{Version: "1.2.3"})
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func TestContext(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("DOCKER_CONFIG", dir)
	t.Setenv("DOCKER_HOST", "unix:///elsewhere.sock")
	t.Setenv("DOCKER_CONTEXT", "")
	for _, step := range []struct {
		args, says, selected string
	}{
		{"context --no-use --host tcp://10.0.0.1:2376", "To select it: docker context use skep", ""},
		{"context", "Warning: DOCKER_HOST=unix:///elsewhere.sock is set", "skep"},
		{"context", `Created and selected the Docker context "skep" for unix:///run/skep/skep.sock`, "skep"},
		{"context rm", "Removed", ""},
		{"context rm", "Removed", ""},
	} {
		out, err := skep(t, strings.Fields(step.args)...)
		if err != nil || !strings.Contains(out, step.says) {
			t.Errorf("skep %s: %q, %v; want %q", step.args, out, err, step.says)
		}
		if got, err := dockerconfig.Selected(dir); got != step.selected || err != nil {
			t.Errorf("after skep %s the context %q is selected (%v), want %q", step.args, got, err, step.selected)
		}
	}
	if _, err := os.Stat(dir + "/contexts/meta"); err != nil {
		t.Errorf("the directory of all contexts should stay: %v", err)
	}
	if out, err := skep(t, "context", "--host", "nowhere"); err == nil {
		t.Errorf("a context for nowhere: %q", out)
	}
}

func TestVersion(t *testing.T) {
	out, err := skep(t, "version")
	if err != nil || !strings.HasPrefix(out, "skep 1.2.3 linux/") {
		t.Errorf("skep version: %q, %v", out, err)
	}
}
