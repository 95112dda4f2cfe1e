package migrate

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"github.com/skep-org/skep/internal/lab/differential/side"
	"github.com/skep-org/skep/internal/lab/engine"
	"github.com/skep-org/skep/internal/lab/engine/enginetest"
	"github.com/skep-org/skep/internal/lab/hosts/hoststest"
)

var rewrite = flag.Bool("rewrite", false, "write what is said and what differs into testdata")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// services are those of testdata/swarm.sh.
func services() []string {
	return []string{"changed", "once", "onhost", "pinned", "shop_api", "shop_db", "shop_front", "watch_agent", "watch_store", "watch_ui"}
}

// TestSwarm has ten services of a swarm of Docker's own made here by one command, holds them against each other, and runs the
// command again.
func TestSwarm(t *testing.T) {
	hoststest.NeedRoot(t)
	s := newScene(t)
	s.script()

	// A swarm tells no secrets: that is said, and nothing is changed.
	before := s.state()
	out, err := s.migrate("--from", "old")
	require.Error(t, err)
	s.golden("refused.txt", out)
	require.Equal(t, before, s.state(), "what is refused changes nothing")

	secret := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(secret, []byte("hunter2"), 0o600))
	args := []string{"--from", "old", "--secret", "db_password=" + secret, "--without", "encryption"}
	out, err = s.migrate(append(args, "--dry-run")...)
	require.NoError(t, err, out)
	s.golden("dry-run.txt", out)
	require.Equal(t, before, s.state(), "what is only shown changes nothing")
	out, err = s.migrate(args...)
	require.NoError(t, err, out)
	s.golden("migrated.txt", withoutProgress(out))
	s.golden("differences.txt", s.differences())

	before = s.state()
	out, err = s.migrate(args...)
	require.NoError(t, err, out)
	require.Contains(t, out, "Nothing to change")
	require.Equal(t, before, s.state(), "the second run changes nothing")

	require.Equal(t, "shop 3\nwatch 3\n", s.shell(s.skep, "docker stack ls --format '{{.Name}} {{.Services}}'"))
	s.throughDirectory(secret)
	s.rolls()
}

// throughDirectory keeps the swarm in a directory, of which there is as little to change here.
func (s *scene) throughDirectory(secret string) {
	dir := filepath.Join(s.t.TempDir(), "swarm")
	out, err := s.migrate("--from", s.swarm.Host, "--write", dir)
	require.NoError(s.t, err, out)
	s.golden("written.txt", strings.ReplaceAll(out, dir, "<directory>"))
	web, err := os.ReadFile(filepath.Join(dir, "services", "pinned.yaml"))
	require.NoError(s.t, err)
	s.golden("pinned.yaml", string(web))
	before := s.state()
	out, err = s.migrate("--from", dir, "--secret", "db_password="+secret, "--without", "encryption")
	require.NoError(s.t, err, out)
	require.Contains(s.t, out, "Nothing to change")
	require.Equal(s.t, before, s.state(), "a directory of the same swarm changes nothing")
}

// rolls has a service here become another one: that is told and left, and with --update the swarm's again.
func (s *scene) rolls() {
	s.shell(s.skep, "docker service update --quiet --detach --env-add COLOUR=red changed >/dev/null")
	dir := filepath.Join(s.t.TempDir(), "swarm")
	_, err := s.migrate("--from", "old", "--write", dir)
	require.NoError(s.t, err)
	out, err := s.migrate("--from", dir, "--without", "encryption")
	require.ErrorContains(s.t, err, "exit status 1")
	require.Contains(s.t, out, "service changed: it is another one here than in the swarm: TaskTemplate.ContainerSpec.Env[COLOUR] is COLOUR=red, not COLOUR=blue")
	out, err = s.migrate("--from", dir, "--without", "encryption", "--update")
	require.NoError(s.t, err, out)
	require.Contains(s.t, out, "Updating service changed")
	require.Contains(s.t, s.shell(s.skep, "docker service inspect --format '{{.Spec.TaskTemplate.ContainerSpec.Env}}' changed"), "[COLOUR=blue]")
}

// scene is a swarm, and a cluster that is to have the same.
type scene struct {
	t           *testing.T
	swarm, skep *side.Side
	binary      string
	host        string // what both nodes are called
}

func newScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{t: t, binary: filepath.Join(t.TempDir(), "skep")}
	program := filepath.Join(t.TempDir(), "testimage")
	require.NoError(t, side.BuildProgram(t.Context(), program))
	require.NoError(t, engine.BuildStatic(t.Context(), "github.com/skep-org/skep/cmd/skep", s.binary))
	options := func() side.Options {
		return side.Options{Dir: enginetest.Dir(t), CLI: side.DebianCLI(), Program: program, Tags: []string{"skep/test:1"}}
	}
	a, b := options(), options()
	var g errgroup.Group
	g.Go(func() (err error) { s.swarm, err = side.StartSwarm(t.Context(), a); return err })
	g.Go(func() (err error) { s.skep, err = side.StartSkep(t.Context(), b, s.binary); return err })
	err := g.Wait()
	t.Cleanup(func() {
		for _, one := range []*side.Side{s.swarm, s.skep} {
			if one != nil {
				if err := one.Close(); err != nil {
					t.Error(err)
				}
			}
		}
	})
	require.NoError(t, err)
	return s
}

// script makes the swarm, and a cluster that has nothing.
func (s *scene) script() {
	text, err := os.ReadFile("testdata/swarm.sh")
	require.NoError(s.t, err)
	s.shell(s.swarm, string(text))
	s.shell(s.skep, "docker swarm init --advertise-addr 127.0.0.1 >/dev/null")
	s.shell(s.swarm, "docker context create old --docker host="+s.swarm.Host+" >/dev/null")
	s.host = strings.TrimSpace(s.shell(s.swarm, "docker node inspect --format '{{.Description.Hostname}}' self"))
	s.settled(s.swarm)
}

// settled waits until the swarm runs what it was asked for: what its tasks say of networks is read, too.
func (s *scene) settled(of *side.Side) {
	require.Eventually(s.t, func() bool {
		out := s.shell(of, "docker service ls --format '{{.Name}} {{.Replicas}}'")
		for line := range strings.Lines(out) {
			name, replicas, _ := strings.Cut(strings.TrimSpace(line), " ")
			done, all, _ := strings.Cut(replicas, "/")
			all, _, _ = strings.Cut(all, " ")
			if name == "once" {
				done, all = "yes", map[bool]string{true: "yes"}[strings.Contains(replicas, "(1/1 completed)")]
			}
			if done != all {
				return false
			}
		}
		if strings.Contains(s.shell(of, "docker service inspect --format '{{with .UpdateStatus}}{{.State}}{{end}}' $(docker service ls -q)"), "updating") {
			return false
		}
		return strings.Count(out, "\n") == len(services())
	}, time.Minute, 200*time.Millisecond, "the services of %s do not come up", of.Name)
}

func (s *scene) shell(of *side.Side, line string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	out, err := of.Shell(ctx, line, nil)
	require.NoError(s.t, err)
	require.Zero(s.t, out.Exit, "%s\n%s%s", line, out.Stdout, out.Stderr)
	return out.Stdout
}

// migrate runs the command as a user does, who has the swarm as a Docker context.
func (s *scene) migrate(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.binary, append([]string{"migrate", "--host", s.skep.Host}, args...)...)
	cmd.Env = append(os.Environ(), "DOCKER_CONFIG="+filepath.Join(s.swarm.Dir, "home"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// withoutProgress leaves out which services were there first.
func withoutProgress(out string) string {
	var kept strings.Builder
	for line := range strings.Lines(out) {
		if !strings.Contains(line, " tasks run") && !strings.Contains(line, " tasks are complete") {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

// golden holds a text against a file, with what is each run's own replaced.
func (s *scene) golden(file, text string) {
	s.t.Helper()
	for _, known := range []struct{ is, word string }{{s.node(), "<node>"}, {s.host, "<host>"}, {s.swarm.Host, "<swarm>"}, {s.skep.Host, "<skep>"}} {
		text = strings.ReplaceAll(text, known.is, known.word)
	}
	text = numbers(text)
	path := filepath.Join("testdata", file)
	if *rewrite {
		require.NoError(s.t, os.WriteFile(path, []byte(text), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(s.t, err)
	require.Equal(s.t, string(want), text, "%s differs; -rewrite writes it anew", file)
}

func (s *scene) node() string {
	return strings.TrimSpace(s.shell(s.swarm, "docker node inspect --format '{{.ID}}' self"))
}

// ask is an answer of an API.
func (s *scene) ask(of *side.Side, path string, into any) {
	s.t.Helper()
	a, err := of.Call(s.t.Context(), http.MethodGet, "/v1.41"+path, nil)
	require.NoError(s.t, err)
	require.Equal(s.t, http.StatusOK, a.Status, "%s: %s", path, a.Body)
	require.NoError(s.t, json.Unmarshal(a.Body, into))
}

// state is all that the cluster keeps, with the versions that count every change.
func (s *scene) state() string {
	var all []any
	for _, path := range []string{"/services", "/networks", "/configs", "/secrets", "/nodes", "/swarm"} {
		var got any
		s.ask(s.skep, path, &got)
		if list, ok := got.([]any); ok {
			got = slices.DeleteFunc(list, func(v any) bool { return v.(map[string]any)["Scope"] == "local" })
		}
		all = append(all, versions(got))
	}
	raw, err := json.MarshalIndent(all, "", " ")
	require.NoError(s.t, err)
	return string(raw)
}

// versions leaves out what the cluster itself goes on with.
func versions(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = versions(v[i])
		}
	case map[string]any:
		for _, moving := range []string{"UpdateStatus", "Containers", "Peers", "Status", "ManagerStatus", "UpdatedAt", "Description"} {
			delete(v, moving)
		}
	}
	return v
}

// differences are those between each service's spec there and here, as the APIs show them; references by name.
func (s *scene) differences() string {
	var out bytes.Buffer
	for _, name := range services() {
		there, here := s.spec(s.swarm, name), s.spec(s.skep, name)
		lines := compare("", there, here)
		verdict := "the same"
		if len(lines) > 0 {
			verdict = "differs"
		}
		fmt.Fprintf(&out, "%s: %s\n", name, verdict)
		for _, line := range lines {
			fmt.Fprintf(&out, "  %s\n", line)
		}
	}
	return out.String()
}

func (s *scene) spec(of *side.Side, name string) any {
	var service struct{ Spec any }
	s.ask(of, "/services/"+name, &service)
	return s.named(of, service.Spec)
}
