package stacks

import (
	"bytes"
	"context"
	"flag"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skep-org/skep/internal/lab/differential/side"
	"github.com/skep-org/skep/internal/lab/hosts"
)

var (
	program = flag.String("skep", "", "the skep to try, instead of this source's")
	all     = flag.Bool("all", false, "try all stacks, twice in a row, the second time with a current docker CLI if one can be built")
	cli     = flag.String("cli", "", "with -all, the docker CLI of the second round, instead of building a current one")
	only    = flag.String("only", "", "try these stacks, by name, with commas")
)

// few are tried where -all is not given: each of them needs something the others do not.
var few = []string{"kafka", "proxy", "voting"}

// TestStacks takes the stacks through their trials, twice in a row on one cluster.
func TestStacks(t *testing.T) {
	wanted := few
	switch {
	case *only != "":
		wanted = strings.Split(*only, ",")
	case *all:
		wanted = names(t)
	}
	named, err := images(wanted)
	if err != nil {
		t.Fatal(err)
	}
	cfg := hosts.Config{
		Managers: 3, Workers: 2, Program: *program,
		// What stacks ask for that a machine must have.
		EngineArgs: []string{"--node-generic-resource", "stacks=1"},
	}
	s := newScene(t, cfg, func(s *scene, ctx context.Context, h *hosts.Host) error { return s.load(ctx, h, named) })
	for _, round := range rounds(t) {
		s.use(round.cli)
		t.Run(round.name, func(t *testing.T) {
			for _, name := range names(t) {
				if slices.Contains(wanted, name) {
					t.Run(name, func(t *testing.T) {
						t.Parallel() // as many as go test -parallel says share the cluster
						s.try(t, name)
					})
				}
			}
		})
	}
}

type round struct{ name, cli string }

// rounds are two, both with the docker CLI of the machine's package; with -all the second is with a current one.
func rounds(t *testing.T) []round {
	t.Helper()
	first := installed(t)
	second := first
	if *all {
		second = current(t, first)
	}
	return []round{{"first", first}, {"second", second}}
}

// installed is the docker CLI of the machine's package, or whatever there is.
func installed(t *testing.T) string {
	t.Helper()
	if cli := side.DebianCLI(); cli != "" {
		return cli
	}
	cli, err := exec.LookPath("docker")
	if err != nil {
		t.Skipf("skipped: there is no docker CLI: %v", err)
	}
	return cli
}

// buildLimit is for the first build of the docker CLI: later ones take seconds.
const buildLimit = 15 * time.Minute

// current is the current docker CLI, or the other where it cannot be built.
func current(t *testing.T, other string) string {
	t.Helper()
	if *cli != "" {
		return *cli
	}
	ctx, cancel := context.WithTimeout(t.Context(), buildLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "../../../scripts/newest-cli.sh")
	var why bytes.Buffer
	cmd.Stderr = &why
	out, err := cmd.Output()
	if err != nil {
		t.Logf("a current docker CLI cannot be had, both rounds are with %s: %v: %s", other, err, why.Bytes())
		return other
	}
	path := strings.TrimSpace(string(out))
	t.Logf("the second round is with %s", path)
	return path
}
