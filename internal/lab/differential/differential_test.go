package differential

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/skep-org/skep/internal/lab/differential/side"
)

var (
	skepBinary = flag.String("skep", "../../../bin/skep", "the skep binary to compare with Docker's swarm mode")
	dockerCLI  = flag.String("cli", "", "the docker CLI both sides are driven with; default is Debian's, else the first in PATH")
	only       = flag.String("side", "", "run one side only: swarm or skep (skep is then compared with the recorded output)")
)

// recordedWith is the engine and the CLI the outputs in testdata were recorded
// with. With others the two sides are still compared with each other.
const recordedWith = "20.10.24+dfsg1 20.10.24+dfsg1"

// cli chooses the docker CLI: the one recorded with, where it is installed.
func cli() string {
	if *dockerCLI != "" {
		return *dockerCLI
	}
	return side.DebianCLI()
}

func TestScenarios(t *testing.T) {
	needEngine(t)
	program := filepath.Join(t.TempDir(), "testimage")
	if err := side.BuildProgram(t.Context(), program); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios found: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			runScenario(t, file, program)
		})
	}
}

// needEngine says why a machine cannot run the comparison.
func needEngine(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("comparing with Docker's swarm mode starts private engines, which needs root")
	}
	for _, tool := range []string{"dockerd", "unshare", "nsenter", "ip"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("comparing with Docker's swarm mode needs %s in PATH: %v", tool, err)
		}
	}
}

// runScenario runs the file on both sides and compares.
func runScenario(t *testing.T, file, program string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var steps []step
	var outputs, recorded []string
	var differ []*known
	t.Run("swarm", func(t *testing.T) {
		r := &runner{vars: map[string]string{}}
		useRecorded := *only == "skep"
		if !useRecorded {
			r = startRunner(t, string(text), program, side.StartSwarm)
			useRecorded = versionsOf(t, r.side) != recordedWith
		}
		datadriven.RunTest(t, file, func(t *testing.T, d *datadriven.TestData) string {
			s := stepOf(d)
			if s.cmd == "known" {
				list, err := parseKnown(s)
				if err != nil {
					t.Fatal(err)
				}
				differ = append(differ, list...)
			}
			out := d.Expected
			if *only != "skep" {
				out, err = r.do(t.Context(), s)
				if err != nil {
					t.Fatalf("Docker's swarm mode: %v", err)
				}
			}
			steps, outputs, recorded = append(steps, s), append(outputs, out), append(recorded, d.Expected)
			if useRecorded {
				return d.Expected
			}
			return out
		})
	})
	if *only == "swarm" {
		return
	}
	t.Run("skep", func(t *testing.T) {
		if reason := later(steps); reason != "" {
			t.Skip("skep does not do this yet: " + reason)
		}
		if _, err := os.Stat(*skepBinary); err != nil {
			t.Skipf("there is no skep binary to compare (make build): %v", err)
		}
		r := startRunner(t, string(text), program, func(ctx context.Context, o side.Options) (*side.Side, error) {
			return side.StartSkep(ctx, o, absolute(t, *skepBinary))
		})
		compareSteps(t, r, steps, outputs, differ)
	})
}

// later is why a scenario is recorded but not yet held against skep.
func later(steps []step) string {
	for _, s := range steps {
		if s.cmd == "later" {
			return strings.TrimSpace(s.input)
		}
	}
	return ""
}

// compareSteps runs the steps on skep and reports where it differs.
func compareSteps(t *testing.T, r *runner, steps []step, want []string, differ []*known) {
	c := newComparison(differ)
	for i, s := range steps {
		got, err := r.do(t.Context(), s)
		if err != nil {
			t.Fatalf("skep: %v", err)
		}
		diff, err := c.step(want[i], got)
		if err != nil {
			t.Fatal(err)
		}
		if reason := strings.Join(s.args["differs"], ", "); reason != "" {
			if diff == "" {
				t.Errorf("%s: skep does what Docker does now, take out: differs=(%s)", s.pos, reason)
			}
			continue
		}
		if diff != "" {
			t.Errorf("%s: %s\n%s", s.pos, strings.TrimSpace(s.input), diff)
		}
	}
	for _, k := range differ {
		if !k.used && !t.Failed() {
			t.Errorf("the known difference %q (%s) does not occur any more: take it out", k.line, k.reason)
		}
	}
}

func startRunner(t *testing.T, script, program string, start func(context.Context, side.Options) (*side.Side, error)) *runner {
	t.Helper()
	dir, err := os.MkdirTemp("", "sd")
	if err != nil {
		t.Fatal(err)
	}
	s, err := start(t.Context(), side.Options{
		Dir: dir, CLI: cli(), Program: program, Tags: []string{"skep/test:1", "skep/test:2"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	version, _, _ := strings.Cut(versionsOf(t, s), " ")
	hostname, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	return &runner{side: s, vars: map[string]string{}, norm: newNormaliser(script, hostname, s.Host, "<socket>", s.Dir, "<dir>", version, "<engine version>")}
}

// versionsOf is the engine's and the CLI's version.
func versionsOf(t *testing.T, s *side.Side) string {
	t.Helper()
	out, err := s.Shell(t.Context(), "docker -H "+s.EngineHost+" version --format '{{.Server.Version}} {{.Client.Version}}'", nil)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out.Stdout)
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

func stepOf(d *datadriven.TestData) step {
	s := step{pos: d.Pos, cmd: d.Cmd, args: map[string][]string{}, input: d.Input}
	for _, a := range d.CmdArgs {
		s.args[a.Key] = a.Vals
		s.order = append(s.order, a.Key)
	}
	return s
}
