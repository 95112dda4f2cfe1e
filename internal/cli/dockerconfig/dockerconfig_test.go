package dockerconfig

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestStockDockerUsesTheContext asks the docker command itself, with its own idea of where contexts are.
func TestStockDockerUsesTheContext(t *testing.T) {
	docker, err := exec.LookPath("docker")
	if err != nil {
		t.Skip("skipped: the docker command is not installed; make setup installs it")
	}
	dir := t.TempDir()
	ask := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), docker, args...)
		cmd.Env = []string{"DOCKER_CONFIG=" + dir, "HOME=" + dir}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("docker %v: %v: %s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	if err := WriteContext(dir, "unix:///run/skep/skep.sock"); err != nil {
		t.Fatal(err)
	}
	if err := Select(dir, ContextName); err != nil {
		t.Fatal(err)
	}
	if got := ask("context", "show"); got != "skep" {
		t.Errorf("docker's current context is %q", got)
	}
	if got := ask("context", "inspect", "--format", "{{.Endpoints.docker.Host}}", "skep"); got != "unix:///run/skep/skep.sock" {
		t.Errorf("docker says the context's host is %q", got)
	}
	if err := RemoveContext(dir); err != nil {
		t.Fatal(err)
	}
	if got := ask("context", "ls", "--format", "{{.Name}}"); got != "default" {
		t.Errorf("after the removal docker lists the contexts %q", got)
	}
}

// TestEverythingElseStays uses a configuration with values this package knows nothing about, behind a link.
func TestEverythingElseStays(t *testing.T) {
	dir, elsewhere := t.TempDir(), filepath.Join(t.TempDir(), "docker.json")
	const before = `{"auths":{"r.example.com":{"auth":"eDp5"}},"big":12345678901234567890,"currentContext":"prod","proxies":{"default":{"x":null}}}`
	if err := os.WriteFile(elsewhere, []byte(before), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, filepath.Join(dir, "config.json")); err != nil {
		t.Fatal(err)
	}
	if err := Select(dir, ContextName); err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(before, `"prod"`, `"skep"`, 1)
	if d := cmp.Diff(want, compact(t, elsewhere)); d != "" {
		t.Errorf("the configuration changed (-want +got):\n%s", d)
	}
	if st, err := os.Stat(elsewhere); err != nil || st.Mode().Perm() != 0o640 {
		t.Errorf("its permissions are now %v (%v)", st.Mode(), err)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(elsewhere), "*.new*")); err != nil || len(left) > 0 {
		t.Errorf("files left behind: %v (%v)", left, err)
	}
	// Another context than skep's stays selected when skep's is removed.
	if err := Select(dir, "prod"); err != nil {
		t.Fatal(err)
	}
	if err := RemoveContext(dir); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(before, compact(t, elsewhere)); d != "" {
		t.Errorf("removing a context that is not selected changed the configuration (-want +got):\n%s", d)
	}
}

// TestBrokenConfigurationIsLeftAlone must not replace what a person can still mend.
func TestBrokenConfigurationIsLeftAlone(t *testing.T) {
	for _, content := range []string{`{"auths":`, `null`, `[]`} {
		dir := t.TempDir()
		path := filepath.Join(dir, "config.json")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Select(dir, ContextName); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("selecting a context in %s: %v", content, err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != content {
			t.Errorf("%s became %s (%v)", content, got, err)
		}
	}
}

func TestWrongHosts(t *testing.T) {
	for _, host := range []string{"", "/run/skep/skep.sock", "unix://", "http://x"} {
		if err := WriteContext(t.TempDir(), host); err == nil {
			t.Errorf("a context for %q was made", host)
		}
	}
}

func TestDir(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", "/somewhere")
	if dir, err := Dir(); dir != "/somewhere" || err != nil {
		t.Errorf("with DOCKER_CONFIG: %q, %v", dir, err)
	}
	t.Setenv("DOCKER_CONFIG", "")
	t.Setenv("HOME", "/home/ada")
	if dir, err := Dir(); dir != "/home/ada/.docker" || err != nil {
		t.Errorf("with HOME: %q, %v", dir, err)
	}
}

func compact(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestEndpointOf reads contexts that the docker command made.
func TestEndpointOf(t *testing.T) {
	docker, err := exec.LookPath("docker")
	if err != nil {
		t.Skip("skipped: the docker command is not installed; make setup installs it")
	}
	dir := t.TempDir()
	create := func(name, endpoint string) {
		cmd := exec.CommandContext(t.Context(), docker, "context", "create", name, "--docker", endpoint)
		cmd.Env = []string{"DOCKER_CONFIG=" + dir, "HOME=" + dir}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	create("old", "host=ssh://ann@old")
	create("sealed", "host=tcp://old:2376")
	tls := filepath.Join(dir, "contexts", "tls", digestOf("sealed"), "docker")
	if err := os.MkdirAll(tls, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(tls, "ca.pem"), []byte("any"), 0o600); err != nil { // a real one, the command says
		t.Fatal(err)
	}
	for name, want := range map[string]Endpoint{
		"old":    {Host: "ssh://ann@old"},
		"sealed": {Host: "tcp://old:2376", CA: filepath.Join(tls, "ca.pem")},
	} {
		got, err := EndpointOf(dir, name)
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("context %s (-want +got): %s %v", name, d, err)
		}
	}
	if _, err := EndpointOf(dir, "nobody"); err == nil || !strings.Contains(err.Error(), `no Docker context "nobody"`) {
		t.Errorf("a context that is not there: %v", err)
	}
}
