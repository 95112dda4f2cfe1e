package migratecmd

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/skep-org/skep/internal/manager/forecast"
	"github.com/skep-org/skep/internal/migrate"
	"github.com/skep-org/skep/internal/stack/plan"
)

// report is what is to be said of objects, by how much of them is carried.
func report(found []migrate.Finding) string {
	found = slices.SortedStableFunc(slices.Values(found), func(a, b migrate.Finding) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
	var out strings.Builder
	for _, part := range []struct {
		severity migrate.Severity
		title    string
	}{
		{migrate.Lost, "Not carried:"},
		{migrate.Other, "Carried, and not the same here:"},
		{migrate.Yours, "For you to see to:"},
		{migrate.Exists, "Here already, and not the swarm's:"},
	} {
		title := part.title + "\n"
		for _, f := range found {
			if f.Severity == part.severity {
				out.WriteString(title + "  " + f.String() + "\n")
				title = ""
			}
		}
	}
	return out.String()
}

// show lists what would be written.
func (m *migration) show(p *migrate.Plan, here migrate.Swarm) {
	m.say("Would be made (+) and changed (~):")
	if p.Empty() {
		m.say("  nothing: %d of the swarm's objects are here", p.Same)
	}
	if p.Settings != nil {
		m.say("  ~ settings of the cluster")
	}
	for _, n := range p.Nodes {
		m.say("  ~ node %s", n.Description.Hostname)
	}
	for _, c := range p.Writes.Changes(plan.Current{Services: here.Services, Networks: here.Networks, Secrets: here.Secrets, Configs: here.Configs}) {
		note := ""
		if c.Note != "" {
			note = ": " + c.Note
		}
		m.say("  %s %s %s%s", c.Action, c.Kind, c.Name, note)
	}
}

// showWaiting tells of tasks for which no node would be found. Labels that the plan itself sets are not there for the cluster
// that is asked: then what it says of nodes is of no worth.
func (m *migration) showWaiting(p *migrate.Plan, o *forecast.Outcome) {
	if len(p.Nodes) > 0 {
		return
	}
	for _, s := range o.Services {
		waiting, why := 0, ""
		for _, t := range s.Tasks {
			if t.Pending != "" {
				waiting, why = waiting+1, t.Pending
			}
		}
		if waiting > 0 {
			m.say("  service %s: %d of its tasks would wait: %s", s.Name, waiting, why)
		}
	}
}

// amounts are how many objects of each kind there are.
func amounts(w *migrate.Wanted) string {
	return strings.Join([]string{count(len(w.Services), "service"), count(len(w.Networks), "network"), count(len(w.Configs), "config"),
		count(len(w.Secrets), "secret"), count(len(w.Nodes), "node")}, ", ")
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
