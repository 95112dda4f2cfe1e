package compat

import (
	"context"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/skep-org/skep/internal/lab/differential"
	"github.com/skep-org/skep/internal/lab/differential/side"
	"github.com/skep-org/skep/internal/lab/engine"
)

var (
	rewrite    = flag.Bool("rewrite", false, "write docs/compatibility.md")
	skepBinary = flag.String("skep", "", "the skep binary to check; empty builds this source's")
	peer       = flag.Bool("peer", false, "also try the checks on Docker's own swarm mode")
	only       = flag.String("only", "", "try only checks whose command and flag contain this")
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// slow checks are named, for they are what the test's time goes to.
const slow = 2 * time.Second

const document = "../../../docs/compatibility.md"

// TestChecksHoldOnDocker keeps the checks honest: what is asked of skep has to
// be what Docker's swarm mode does.
func TestChecksHoldOnDocker(t *testing.T) {
	if !*peer {
		t.Skip("Docker's own swarm mode is checked with -peer, which make test-peer gives: the checks change rarely")
	}
	for c, o := range try(t, start(t, side.StartSwarm), side.StartSwarm) {
		if o.State != Works {
			t.Errorf("%s: docker %s %s: %s: %s", c.pos, c.Command, c.Flag, o.State, o.Note)
		}
	}
}

// TestDocument runs the checks on skep and compares with the page.
func TestDocument(t *testing.T) {
	binary := *skepBinary
	if binary == "" {
		binary = filepath.Join(t.TempDir(), "skep")
		if err := engine.BuildStatic(t.Context(), "github.com/skep-org/skep/cmd/skep", binary); err != nil {
			t.Fatal(err)
		}
	}
	binary, err := filepath.Abs(binary)
	if err != nil {
		t.Fatal(err)
	}
	skep := func(ctx context.Context, o side.Options) (*side.Side, error) { return side.StartSkep(ctx, o, binary) }
	s := start(t, skep)
	commands, err := Commands(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	seen := Seen{}
	for c, o := range try(t, s, skep) {
		seen.Add(c, o)
		if o.State != Works {
			t.Logf("docker %s %s: %s: %s", c.Command, c.Flag, o.State, o.Note)
		}
	}
	compareDocument(t, Document(cliVersion(t, s), commands, seen, differences(t)))
}

// differences is the list that the comparison with Docker's swarm mode keeps.
func differences(t *testing.T) []differential.Difference {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "differential", differential.DifferencesFile))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	list, err := differential.ReadDifferences(f)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func compareDocument(t *testing.T, got string) {
	t.Helper()
	if *only != "" {
		return
	}
	if *rewrite {
		if err := os.WriteFile(document, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	made := strings.SplitN(string(want), "docker CLI ", 2)
	now := strings.SplitN(got, "docker CLI ", 2)
	if len(made) < 2 || strings.Fields(made[1])[0] != strings.Fields(now[1])[0] {
		t.Skipf("%s was made with another docker CLI than the one installed, so its lines cannot be compared", document)
	}
	if got != string(want) {
		t.Errorf("%s is out of date, run go test ./internal/lab/compat -rewrite; it should be:\n%s", document, got)
	}
}

// starter begins a side of one kind.
type starter func(context.Context, side.Options) (*side.Side, error)

// try runs all checks of this CLI on a side.
func try(t *testing.T, s *side.Side, another starter) map[Check]Outcome {
	t.Helper()
	r, err := newRunner(s, sync.OnceValues(func() (*side.Side, error) {
		second := start(t, another)
		return second, s.Wire(t.Context(), second)
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.rec.close(); err != nil {
			t.Error(err)
		}
	})
	commands, err := Commands(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	has := map[string]bool{}
	for _, c := range commands {
		has[c.Name+" "] = true
		for _, f := range c.Flags {
			has[c.Name+" "+f] = true
		}
	}
	outcomes := map[Check]Outcome{}
	for i, c := range checks(t) {
		what := c.Command + " " + c.Flag
		if !has[what] || !strings.Contains(what, *only) {
			continue // another CLI version's flag, or not asked for
		}
		began := time.Now()
		o, err := r.run(t.Context(), i+1, c)
		if err == nil && o.State == Differs { // a busy machine may have run out of the check's time
			t.Logf("%s: %s is tried again: %s", c.pos, what, o.Note)
			o, err = r.run(t.Context(), i+1, c)
		}
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > slow {
			t.Logf("%s: %s took %s", c.pos, what, took.Round(time.Millisecond))
		}
		outcomes[c] = o
	}
	return outcomes
}

func checks(t *testing.T) []Check {
	t.Helper()
	var all []Check
	for file, parse := range map[string]func(string, io.Reader) ([]Check, error){
		"testdata/create.txt": ParseCreate, "testdata/update.txt": ParseUpdate, "testdata/scripts.txt": ParseScripts,
	} {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		list, err := parse(file, f)
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, list...)
	}
	return all
}

func start(t *testing.T, begin starter) *side.Side {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("checking compatibility starts a private engine, which needs root")
	}
	if _, err := exec.LookPath("dockerd"); err != nil {
		t.Skipf("checking compatibility needs a Docker Engine: %v", err)
	}
	program := filepath.Join(t.TempDir(), "testimage")
	if err := side.BuildProgram(t.Context(), program); err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "sc") //nolint:usetesting // sockets below it need a short path
	if err != nil {
		t.Fatal(err)
	}
	s, err := begin(t.Context(), side.Options{Dir: dir, CLI: side.DebianCLI(), Program: program, Tags: []string{"skep/test:1", "skep/test:2"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func cliVersion(t *testing.T, s *side.Side) string {
	t.Helper()
	out, err := s.Shell(t.Context(), "docker version --format '{{.Client.Version}}'", nil)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out.Stdout)
}
