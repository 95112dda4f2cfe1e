package differential

import (
	"cmp"
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"go.uber.org/goleak"

	"github.com/skep-org/skep/internal/api/swagger"
	"github.com/skep-org/skep/internal/lab/differential/side"
	"github.com/skep-org/skep/internal/lab/engine"
)

var (
	skepBinary = flag.String("skep", "", "the skep binary to compare with Docker's swarm mode; empty builds this source's")
	dockerCLI  = flag.String("cli", "", "the docker CLI both sides are driven with; default is Debian's, else the first in PATH")
	sides      = flag.String("side", "", "what to run: swarm, skep (compared with the recorded output), both, or empty: "+
		"skep where engine and CLI are those of the recording, else both")
	summary = flag.String("summary", "", "a file to put the count of scenarios at the end of")
	long    = flag.Bool("long", false, "run the scenarios too that say they are long")
	drafts  = flag.Bool("documented", false, "write what skep says into the scenarios that Docker's side cannot run; a person then reads it")
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recordedWith is the engine and the CLI the outputs in testdata were recorded
// with. With others the two sides are still compared with each other.
const recordedWith = "20.10.24+dfsg1 20.10.24+dfsg1"

// mode is what -side says, or what this machine's Docker asks for.
func mode(t *testing.T) string {
	t.Helper()
	if rewrite := flag.Lookup("rewrite"); rewrite != nil && rewrite.Value.String() == "true" && *sides == "" {
		return "both"
	}
	if *sides != "" {
		return *sides
	}
	if installed := versionOf(t, "dockerd") + " " + versionOf(t, cmp.Or(cli(), "docker")); installed != recordedWith {
		t.Logf("the outputs were recorded with engine and CLI %s, here are %s: Docker's swarm mode runs along", recordedWith, installed)
		return "both"
	}
	return "skep"
}

// versionOf asks a program of Docker's: "Docker version 20.10.24+dfsg1, build 297e128".
func versionOf(t *testing.T, program string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), program, "--version").Output()
	if err != nil {
		t.Fatalf("%s --version: %v", program, err)
	}
	version, _, _ := strings.Cut(strings.TrimPrefix(string(out), "Docker version "), ",")
	return version
}

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
	binary := *skepBinary
	if binary == "" {
		binary = filepath.Join(t.TempDir(), "skep")
		if err := engine.BuildStatic(t.Context(), "github.com/skep-org/skep/cmd/skep", binary); err != nil {
			t.Fatal(err)
		}
	}
	c := comparing{
		mode: mode(t), program: program, skep: absolute(t, binary),
		contract: &contract{docs: map[string]*swagger.Document{}}, results: &results{by: map[string][]string{}},
	}
	t.Cleanup(func() {
		t.Log(c.results.line())
		if *summary != "" {
			if err := c.results.write(*summary); err != nil {
				t.Error(err)
			}
		}
	})
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios found: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			c.scenario(t, file)
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

// comparing is what all scenarios of a run share.
type comparing struct {
	mode    string // swarm, skep or both
	program string // the test image's
	skep    string // the binary
	*contract
	*results
}

// scenario runs the file on both sides and compares.
func (c comparing) scenario(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sc := readScenario(t, file)
	if sc.has("long") && !*long {
		t.Skip("this scenario is long: make differential runs it")
	}
	outputs := sc.recorded
	if c.mode != "skep" && !sc.has("documented") {
		t.Run("swarm", func(t *testing.T) { outputs = c.swarm(t, file, string(text)) })
	}
	if c.mode == "swarm" {
		return
	}
	t.Run("skep", func(t *testing.T) {
		if reason := sc.text("later"); reason != "" {
			t.Skip("skep does not do this yet: " + reason)
		}
		var differ []string
		t.Cleanup(func() { c.add(strings.TrimSuffix(filepath.Base(file), ".txt"), t.Failed(), differ) })
		r := startRunner(t, string(text), c.program, func(ctx context.Context, o side.Options) (*side.Side, error) {
			return side.StartSkep(ctx, o, c.skep)
		})
		if *drafts && sc.has("documented") {
			draft(t, r, file)
			return
		}
		differ = c.compareSteps(t, r, sc, outputs)
	})
}

// swarm runs the file on Docker's side and returns what it said. With -rewrite it is recorded.
func (c comparing) swarm(t *testing.T, file, text string) []string {
	var outputs []string
	r := startRunner(t, text, c.program, side.StartSwarm)
	same := versionsOf(t, r.side) == recordedWith
	datadriven.RunTest(t, file, func(t *testing.T, d *datadriven.TestData) string {
		out, err := r.do(t.Context(), stepOf(d))
		if err != nil {
			t.Fatalf("Docker's swarm mode: %v", err)
		}
		outputs = append(outputs, out)
		if !same {
			return d.Expected
		}
		return out
	})
	return outputs
}

// draft writes skep's words into a scenario that Docker's side cannot run.
func draft(t *testing.T, r *runner, file string) {
	if !flag.Lookup("rewrite").Value.(flag.Getter).Get().(bool) {
		t.Fatal("-documented goes with -rewrite")
	}
	datadriven.RunTest(t, file, func(t *testing.T, d *datadriven.TestData) string {
		out, err := r.do(t.Context(), stepOf(d))
		if err != nil {
			t.Fatalf("skep: %v", err)
		}
		return out
	})
}

// compareSteps runs the steps on skep, reports where it differs, and returns the listed differences that showed.
func (c comparing) compareSteps(t *testing.T, r *runner, sc scenario, want []string) (listed []string) {
	k := newComparison(sc.known)
	for i, s := range sc.steps {
		got, err := r.do(t.Context(), s)
		if err != nil {
			t.Fatalf("skep: %v", err)
		}
		diff, err := k.step(want[i], got)
		if err != nil {
			t.Fatal(err)
		}
		if name := strings.Join(s.args["differs"], ", "); name != "" {
			listed = append(listed, name)
			if diff == "" {
				t.Errorf("%s: skep does what Docker does now, take out: differs=%s", s.pos, name)
			}
		} else if diff != "" {
			t.Errorf("%s: %s\n%s", s.pos, strings.TrimSpace(s.input), diff)
		}
		if _, names := s.args["names"]; s.cmd == "api" && !names {
			wrong, err := c.check(t.Context(), r.sent, r.got, want[i])
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range wrong {
				t.Errorf("%s: the answer does not fit the API's description: %s", s.pos, w)
			}
		}
	}
	for _, d := range sc.known {
		if d.used {
			listed = append(listed, d.name)
		} else if !d.sometimes && !t.Failed() {
			t.Errorf("the known difference %q (%s) does not occur any more: take it out", d.line, d.name)
		}
	}
	if k.prefix {
		listed = append(listed, grpcName)
	}
	return listed
}

func startRunner(t *testing.T, script, program string, start func(context.Context, side.Options) (*side.Side, error)) *runner {
	t.Helper()
	dir, err := os.MkdirTemp("", "sd") //nolint:usetesting // sockets below it need a short path
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
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		t.Fatal(err)
	}
	norm := newNormaliser(script, hostname, s.Host, "<socket>", s.Dir, "<dir>", version, "<engine version>", strings.TrimSpace(string(kernel)), "<kernel>")
	return &runner{side: s, vars: map[string]string{}, norm: norm}
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
