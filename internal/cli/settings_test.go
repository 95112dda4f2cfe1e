package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skep-org/skep/internal/node"
)

// daemon runs `skep daemon` with a recorder in place of the daemon and returns the configuration it would run with.
func daemon(t *testing.T, args ...string) (cfg node.Config, warnings string, err error) {
	t.Helper()
	var stderr bytes.Buffer
	cmd := New(Options{Version: "1.2.3", RunDaemon: func(_ context.Context, c node.Config) error {
		cfg = c
		return nil
	}})
	cmd.SetArgs(append([]string{"daemon"}, args...))
	cmd.SetErr(&stderr)
	cmd.SetOut(&stderr)
	err = cmd.ExecuteContext(t.Context())
	return cfg, stderr.String(), err
}

func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestPrecedence sets the same setting in all three places, then one fewer at a time.
func TestPrecedence(t *testing.T) {
	path := file(t, "skep.yaml", "data-dir: /from/file\nlog-level: debug\nhost: [unix:///a.sock, 'unix:///b.sock']\ntake-socket: true\nengine: unix:///run/engine.sock\n")
	t.Setenv("SKEP_DATA_DIR", "/from/env")
	t.Setenv("SKEP_LOG_LEVEL", "warn")
	got, _, err := daemon(t, "--config", path, "--data-dir", "/from/flag")
	if err != nil {
		t.Fatal(err)
	}
	want := node.DefaultConfig()
	want.Version, want.DataDir, want.LogLevel = "1.2.3", "/from/flag", "warn"
	want.Hosts, want.TakeSocket, want.Engine = []string{"unix:///a.sock", "unix:///b.sock"}, true, "unix:///run/engine.sock"
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("flag, environment and file give (-want +got):\n%s", d)
	}
}

func TestEnvironmentAlone(t *testing.T) {
	t.Setenv("SKEP_CONFIG", file(t, "skep.json", `{"log-format": "json", "tlsverify": false}`))
	t.Setenv("SKEP_HOST", "unix:///a.sock,unix:///b.sock")
	t.Setenv("SKEP_HOTS", "unix:///c.sock")
	got, warnings, err := daemon(t)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"unix:///a.sock", "unix:///b.sock"}, got.Hosts); d != "" || got.LogFormat != "json" {
		t.Errorf("log format %q, hosts (-want +got):\n%s", got.LogFormat, d)
	}
	if !strings.Contains(warnings, "SKEP_HOTS") || strings.Contains(warnings, "SKEP_HOST:") {
		t.Errorf("warnings: %q; only SKEP_HOTS is misspelt", warnings)
	}
}

// TestDefaults starts without anything, as the unit file does.
func TestDefaults(t *testing.T) {
	got, _, err := daemon(t)
	if err != nil {
		t.Fatal(err)
	}
	want := node.DefaultConfig()
	want.Version = "1.2.3"
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("the defaults are not node's (-want +got):\n%s", d)
	}
}

func TestWrongSettings(t *testing.T) {
	for name, c := range map[string]struct {
		content, env string
		args         []string
		want         string
	}{
		"unknown key":   {content: "log-level: info\ndatadir: /x\n", want: `line 2: no setting is called "datadir"`},
		"config inside": {content: "config: /y\n", want: `no setting is called "config"`},
		"wrong type":    {content: "take-socket: perhaps\n", want: `configuration file sets take-socket to "perhaps"`},
		"map":           {content: "host:\n  a: b\n", want: "host is neither a plain value nor a list"},
		"nested list":   {content: "host: [[a]]\n", want: "host is a list of something else"},
		"null":          {content: "data-dir:\n", want: "data-dir has no value"},
		"no YAML":       {content: "a: [b\n", want: "is not a list of settings"},
		"wrong env":     {content: "", env: "perhaps", want: "environment variable SKEP_TAKE_SOCKET"},
		"invalid":       {content: "", args: []string{"--host", "skep.sock"}, want: "cannot start like this"},
		"argument":      {content: "", args: []string{"start"}, want: "unknown command"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.env != "" {
				t.Setenv("SKEP_TAKE_SOCKET", c.env)
			}
			_, _, err := daemon(t, append([]string{"--config", file(t, "skep.yaml", c.content)}, c.args...)...)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error that says %q", err, c.want)
			}
		})
	}
	if _, _, err := daemon(t, "--config", "/no/such/file"); err == nil || !strings.Contains(err.Error(), "/no/such/file") {
		t.Errorf("a file asked for that does not exist: %v", err)
	}
}

func TestNoDaemonSaysSo(t *testing.T) {
	cmd := New(Options{})
	cmd.SetArgs([]string{"daemon"})
	if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), "no daemon in it") {
		t.Errorf("a build without a daemon said %v", err)
	}
}
