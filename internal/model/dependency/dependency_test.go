package dependency_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/moby/moby/api/types/swarm"

	"github.com/skep-org/skep/internal/model/dependency"
)

// TestScripts: "labels" reads labels, one a line, and prints what they ask for; "reason" prints what is said of dependencies
// that do not hold, one a line: SERVICE CONDITION, then missing, never, or how many of how many.
func TestScripts(t *testing.T) {
	datadriven.RunTest(t, "testdata/dependencies.txt", func(t *testing.T, d *datadriven.TestData) string {
		switch d.Cmd {
		case "labels":
			return labels(d.Input)
		case "reason":
			return reason(d.Input)
		}
		d.Fatalf(t, "unknown command")
		return ""
	})
}

func labels(input string) string {
	all := map[string]string{}
	for line := range strings.Lines(input) {
		k, v, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		all[k] = v
	}
	var out strings.Builder
	if err := dependency.Check(all); err != nil {
		fmt.Fprintf(&out, "error: %s\n", err)
	}
	set := dependency.Of(swarm.Annotations{Labels: all})
	for _, d := range set.List {
		fmt.Fprintf(&out, "%s of %s\n", d.Condition, strings.Join(set.Names(d), ", or else of "))
	}
	return out.String()
}

func reason(input string) string {
	var list []dependency.Unmet
	for line := range strings.Lines(input) {
		f := strings.Fields(line)
		u := dependency.Unmet{Dependency: dependency.Dependency{Service: f[0], Condition: dependency.Condition("service_" + f[1])}, Name: f[0]}
		switch f[2] {
		case "missing":
			u.Missing = true
		case "never":
			u.Never = true
		default:
			fmt.Sscanf(f[2], "%d/%d", &u.Have, &u.Want)
		}
		list = append(list, u)
	}
	said := dependency.Reason(list)
	if found := dependency.ReasonIn("update in progress, " + said); found != said {
		return "it is not found again: " + found
	}
	return said + "\n"
}
