package differential

import (
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// scenario is a file of testdata as it is written.
type scenario struct {
	steps    []step
	recorded []string
	known    []*known
}

func readScenario(t *testing.T, file string) scenario {
	t.Helper()
	var sc scenario
	datadriven.RunTest(t, file, func(t *testing.T, d *datadriven.TestData) string {
		s := stepOf(d)
		if s.cmd == "known" {
			list, err := parseKnown(s)
			if err != nil {
				t.Fatal(err)
			}
			sc.known = append(sc.known, list...)
		}
		sc.steps, sc.recorded = append(sc.steps, s), append(sc.recorded, d.Expected)
		return d.Expected
	})
	return sc
}

func stepOf(d *datadriven.TestData) step {
	s := step{pos: d.Pos, cmd: d.Cmd, args: map[string][]string{}, input: d.Input}
	for _, a := range d.CmdArgs {
		s.args[a.Key] = a.Vals
		s.order = append(s.order, a.Key)
	}
	return s
}

// has tells whether the scenario has a directive that is about all of it.
func (sc scenario) has(cmd string) bool { return sc.text(cmd) != "" }

// text is what such a directive says: later why skep is not held against it, long why it is, documented what
// Docker's documentation says and where, when Docker's side cannot run here.
func (sc scenario) text(cmd string) string {
	for _, s := range sc.steps {
		if s.cmd == cmd {
			return strings.TrimSpace(s.input)
		}
	}
	return ""
}
