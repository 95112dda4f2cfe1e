package clients

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/skep-org/skep/internal/lab/differential/side"
	"github.com/skep-org/skep/internal/lab/engine"
)

var (
	program = flag.String("skep", "", "the skep to try, instead of this source's")
	peer    = flag.Bool("peer", false, "try too what takes minutes: the calls of python3-docker, Prometheus")
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// image is what every container runs: the stand-in of the stacks.
const image = "skep/program:1"

// limit is for a program's whole run on one side: the machine may be busy.
const limit = 8 * time.Minute

// both starts Docker's swarm mode and skep, each beside an engine of its own that is in no cluster yet.
func both(t *testing.T) []*side.Side {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("skipped: private engines need root")
	}
	standin := filepath.Join(t.TempDir(), "standin")
	if err := engine.BuildStatic(t.Context(), "github.com/skep-org/skep/internal/lab/stacks/standin", standin); err != nil {
		t.Fatal(err)
	}
	skep := *program
	if skep == "" {
		skep = filepath.Join(t.TempDir(), "skep")
		if err := engine.BuildStatic(t.Context(), "github.com/skep-org/skep/cmd/skep", skep); err != nil {
			t.Fatal(err)
		}
	}
	options := func() side.Options {
		dir, err := os.MkdirTemp("", "clients") //nolint:usetesting // sockets below it need a short path
		if err != nil {
			t.Fatal(err)
		}
		return side.Options{Dir: dir, CLI: side.DebianCLI(), Program: standin, Tags: []string{image}}
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	swarm, err := side.StartSwarm(ctx, options())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeSide(t, swarm) })
	ours, err := side.StartSkep(ctx, options(), skep)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeSide(t, ours) })
	return []*side.Side{swarm, ours}
}

// closeSide ends a side; a node in a cluster leaves it first, so that its containers end.
func closeSide(t *testing.T, s *side.Side) {
	t.Helper()
	if t.Failed() && s.Name == "skep" {
		log, err := os.ReadFile(filepath.Join(s.Dir, "skep.log"))
		t.Logf("skep's log ends (%v):\n%s", err, log[max(0, len(log)-3000):])
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// needPeer skips what takes minutes.
func needPeer(t *testing.T) {
	t.Helper()
	if !*peer {
		t.Skip("skipped: it takes minutes, make test-peer runs it (-peer)")
	}
}

// need finds a program, or skips the test.
func need(t *testing.T, name, debian string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("skipped: %s is not installed (Debian: apt-get install %s)", name, debian)
	}
	return path
}

// line runs a shell's line on a side; it has to succeed.
func line(t *testing.T, s *side.Side, text string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	out, err := s.Shell(ctx, text, nil)
	if err != nil {
		t.Fatal(err)
	}
	if out.Exit != 0 {
		t.Fatalf("%s: %s: exit code %d: %s", s.Name, text, out.Exit, out.Stderr)
	}
	return out.Stdout
}

// same fails with the lines that differ between Docker's and skep's.
func same(t *testing.T, what string, swarm, skep []string) {
	t.Helper()
	if diff := cmp.Diff(swarm, skep); diff != "" {
		t.Errorf("%s sees something else (- Docker's swarm mode, + skep):\n%s", what, diff)
	}
	if len(swarm) == 0 {
		t.Errorf("%s says nothing of Docker's swarm mode", what)
	}
}
