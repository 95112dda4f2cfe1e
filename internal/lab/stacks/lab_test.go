package stacks

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"github.com/skep-org/skep/internal/lab/engine"
	"github.com/skep-org/skep/internal/lab/hosts"
	"github.com/skep-org/skep/internal/lab/hosts/hoststest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scene is a lab in a test, and the docker CLI it is asked by.
type scene struct {
	*hosts.Lab
	t       *testing.T
	standin string
	bin     string // where docker is the CLI to be tried
	config  string // the CLI's own directory
}

// newScene makes a lab of hosts, and has each of them load images that are the stand-in.
func newScene(t *testing.T, cfg hosts.Config, load func(*scene, context.Context, *hosts.Host) error) *scene {
	t.Helper()
	hoststest.NeedRoot(t)
	s := &scene{t: t, standin: filepath.Join(t.TempDir(), "standin"), bin: t.TempDir(), config: t.TempDir()}
	if err := engine.BuildStatic(t.Context(), "github.com/skep-org/skep/internal/lab/stacks/standin", s.standin); err != nil {
		t.Fatal(err)
	}
	s.Lab = hoststest.Up(t, cfg)
	g, ctx := errgroup.WithContext(t.Context())
	for _, h := range s.Hosts() {
		g.Go(func() error { return load(s, ctx, h) })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	return s
}

// load gives a host the images: one for each tag, under the names that have it.
func (s *scene) load(ctx context.Context, h *hosts.Host, all []string) error {
	files := []engine.File{{Path: "/standin", From: s.standin}, {Path: "/bin/sh", From: s.standin}}
	for tag, changes := range map[string][]string{
		"1": {`ENTRYPOINT ["/standin"]`, "ENV STANDIN_VERSION=1"},
		"2": {`ENTRYPOINT ["/standin"]`, "ENV STANDIN_VERSION=2"},
		// What nothing but an exit comes of.
		"broken": {`ENTRYPOINT ["/standin", "exit", "1", "0s"]`},
	} {
		id, err := engine.ImportImage(ctx, h.Engine(), "standin:"+tag, files, changes...)
		if err != nil {
			return err
		}
		for _, name := range all {
			if !strings.HasSuffix(name, ":"+tag) {
				continue
			}
			if _, err := h.Engine().ImageTag(ctx, client.ImageTagOptions{Source: id, Target: name}); err != nil {
				return err
			}
		}
	}
	return nil
}

// use has the scene's lines mean this CLI by docker.
func (s *scene) use(cli string) {
	s.t.Helper()
	link := filepath.Join(s.bin, "docker")
	if err := os.Remove(link); err != nil && !os.IsNotExist(err) {
		s.t.Fatal(err)
	}
	if err := os.Symlink(cli, link); err != nil {
		s.t.Fatal(err)
	}
}

// shell runs a line on a host in a directory, with more environment.
func (s *scene) shell(ctx context.Context, host, dir, line string, env ...string) (string, error) {
	// What is set on the machine that runs the test is not to reach the line; env is the line's own.
	args := append([]string{"env", "PATH=" + s.bin + ":/usr/sbin:/usr/bin:/sbin:/bin", "DOCKER_CONFIG=" + s.config, "DOCKER_CLI_HINTS=false"}, env...)
	args = append(args, "sh", "-c", `cd "$0" && eval "$1"`, dir, line)
	cmd, err := s.Host(host).Command(ctx, args...)
	if err != nil {
		return "", err
	}
	return said(cmd)
}

// said is all that a command says.
func said(cmd *exec.Cmd) (string, error) {
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// ask asks the stand-in on the client's machine.
func (s *scene) ask(ctx context.Context, words ...string) (string, error) {
	cmd, err := s.Client().Command(ctx, append([]string{s.standin}, words...)...)
	if err != nil {
		return "", err
	}
	return said(cmd)
}

// until repeats a check until it says nothing.
func until(t *testing.T, limit time.Duration, check func() string) {
	t.Helper()
	wrong := ""
	for began := time.Now(); time.Since(began) < limit; time.Sleep(100 * time.Millisecond) {
		if wrong = check(); wrong == "" {
			return
		}
	}
	t.Fatalf("after %v: %s", limit, wrong)
}
