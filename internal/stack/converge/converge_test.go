package converge

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/moby/moby/api/types/swarm"
)

// TestLook: the input is a service as JSON and, a line each, its tasks.
func TestLook(t *testing.T) {
	datadriven.RunTest(t, "testdata/look.txt", func(t *testing.T, d *datadriven.TestData) string {
		s := Service{Changed: d.Cmd == "changed"}
		for i, line := range strings.Split(strings.TrimSpace(d.Input), "\n") {
			var into any = &s.Service
			if i > 0 {
				s.Tasks = append(s.Tasks, swarm.Task{ID: fmt.Sprint(i)})
				into = &s.Tasks[i-1]
			}
			if err := json.Unmarshal([]byte(line), into); err != nil {
				d.Fatalf(t, "%s", err)
			}
		}
		state, text := Look(s)
		out := fmt.Sprintf("%s: %s; monitored for %s\n", [...]string{"waiting", "there", "failed"}[state], text, s.Monitor())
		for _, e := range Errors(s) {
			out += "  " + e + "\n"
		}
		return out
	})
}
