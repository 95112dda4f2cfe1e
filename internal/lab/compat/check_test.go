package compat

import (
	"slices"
	"strings"
	"testing"

	"github.com/skep-org/skep/internal/lab/differential"
)

func TestHelpIsRead(t *testing.T) {
	group := "\nUsage:  docker service COMMAND\n\nManage services\n\nCommands:\n  create      Create\n  ls          List\n\nRun 'docker service COMMAND --help'\n"
	if got := subcommands(group); !slices.Equal(got, []string{"create", "ls"}) {
		t.Errorf("commands: %q", got)
	}
	command := "\nUsage:  docker service ls [OPTIONS]\n\nOptions:\n  -f, --filter filter   Filter\n      --format string   Pretty-print\n                        with --words inside\n  -q, --quiet           Only\n"
	if got := flags(command); !slices.Equal(got, []string{"--filter", "--format", "--quiet"}) {
		t.Errorf("flags: %q", got)
	}
}

func TestChecksAreRead(t *testing.T) {
	all, err := ParseScripts("x", strings.NewReader("# swarm init --autolock\n@ no swarm\ndo it\n= look\none\ntwo\n\n# node ls\n= look\n~ a+\n"))
	if err != nil || len(all) != 2 {
		t.Fatalf("%d checks, %v", len(all), err)
	}
	c := all[0]
	if c.Command != "swarm init" || c.Flag != "--autolock" || !c.NoSwarm || c.Setup != "do it\n" || c.Want != "one\ntwo" {
		t.Errorf("read %+v", c)
	}
	for output, want := range map[string]bool{"aaa\n": true, "aab": false} {
		if holds, err := all[1].Holds(output); err != nil || holds != want {
			t.Errorf("%q holds: %t, %v", output, holds, err)
		}
	}
	if _, err := ParseScripts("x", strings.NewReader("# node ls\ndocker node ls\n")); err == nil {
		t.Error("a check that shows no effect was accepted")
	}
	if _, err := ParseCreate("x", strings.NewReader("--env A=1 => spec .Env\n")); err == nil {
		t.Error("a line without an expectation was accepted")
	}
}

func TestDocumentShowsTheWorstAndTheUntested(t *testing.T) {
	seen := Seen{}
	seen.Add(Check{Command: "node ls"}, Outcome{State: Works})
	seen.Add(Check{Command: "node ls", Flag: "--quiet"}, Outcome{State: Refused, Note: "no | thanks"})
	seen.Add(Check{Command: "node ls", Flag: "--quiet"}, Outcome{State: Works})
	page := Document("1.2", []Command{{Name: "node ls", Flags: []string{"--new", "--quiet"}}}, seen,
		[]differential.Difference{{Name: "colour", Text: "Red."}})
	for _, want := range []string{
		"- **colour**: Red.\n", "| docker node | 1 | 1 | 0 | 1 |", "| (without flags) | works |  |", "| `--new` | untested |  |", `| ` + "`--quiet`" + ` | 501 | no \| thanks |`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not in the page:\n%s", want, page)
		}
	}
}
