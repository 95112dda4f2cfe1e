package stackcmd

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/swarm"
	"github.com/spf13/cobra"

	"github.com/skep-org/skep/internal/cli/clusterapi"
	"github.com/skep-org/skep/internal/manager/forecast"
	"github.com/skep-org/skep/internal/stack"
)

func planCommand() *cobra.Command {
	d := &deployment{}
	cmd := &cobra.Command{
		Use:   "plan [STACK]",
		Short: "Show what deploy would change, and where each task would run",
		Long: `Show what skep stack deploy would change, as skep stack diff does, and what
would become of it: how many tasks start, restart and stop, on which node each
would run, or why it could not. The managers' own planners say so, over a copy
of the cluster's state, and nothing is changed.

It is foreseen of the state as it is now, for tasks that all come up and take
the same time for it. The exit status is 0 when it could be foreseen, also of
tasks that would have to wait for a node.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return d.ofFiles(cmd, named(args), d.foresee) },
	}
	d.files.flags(cmd)
	d.compareFlags(cmd)
	return cmd
}

func (d *deployment) foresee(ctx context.Context, s *stack.Stack) error {
	p, now, err := d.plan(ctx, s)
	if err != nil {
		return err
	}
	d.changes(p, now)
	if err := problems(cannot, p); err != nil || p.Empty() {
		return err
	}
	out, err := clusterapi.Foresee(ctx, d.client, d.host, p)
	if err != nil {
		return fmt.Errorf("what becomes of it cannot be foreseen: %w", err)
	}
	say(d.cmd, "")
	for _, one := range out.Services {
		d.showService(one)
	}
	if len(out.Services) == 0 {
		say(d.cmd, "No task starts or stops")
	}
	if out.Takes > 0 {
		say(d.cmd, "It takes at least %s, for the delays and the monitoring of updates", out.Takes)
	}
	if out.Open != "" {
		say(d.cmd, "The end of it is not foreseen: %s", out.Open)
	}
	return nil
}

// showTasks is how many tasks of a service are shown one by one.
const showTasks = 50

func (d *deployment) showService(s forecast.Service) {
	counts := map[string]int{"stay": s.Stay}
	for _, t := range s.Tasks {
		counts[verb(t)]++
	}
	var words []string
	for _, v := range []string{"restart", "start", "wait", "stop", "stay"} {
		if n := counts[v]; n > 0 {
			words = append(words, count(n, "task")+" "+v+plural(n))
		}
	}
	text := cmp.Or(strings.Join(words, ", "), "no tasks")
	if s.Update == swarm.UpdateStateUpdating {
		text += "; the update would wait for what is not there"
	}
	say(d.cmd, "%s: %s", s.Name, text)
	for _, t := range s.Tasks[:min(len(s.Tasks), showTasks)] {
		say(d.cmd, "    %s: %s", taskName(s.Name, t), fate(t))
	}
	if rest := s.Tasks[min(len(s.Tasks), showTasks):]; len(rest) > 0 {
		say(d.cmd, "    and %d more: %s", len(rest), tally(rest))
	}
}

// verb is what becomes of a task in a word.
func verb(t forecast.Task) string {
	switch {
	case t.Fate == forecast.Stops:
		return "stop"
	case t.To == "":
		return "wait"
	case t.Fate == forecast.Starts:
		return "start"
	}
	return "restart"
}

// plural is the ending of a verb.
func plural(n int) string {
	if n == 1 {
		return "s"
	}
	return ""
}

func taskName(service string, t forecast.Task) string {
	if t.Node != "" {
		return service + "." + t.Node
	}
	return fmt.Sprintf("%s.%d", service, t.Slot)
}

// fate is a task's in words.
func fate(t forecast.Task) string {
	if t.Ends {
		return way(t) + ", and completes"
	}
	return way(t)
}

// way is where a task comes from and goes to.
func way(t forecast.Task) string {
	switch {
	case t.Fate == forecast.Stops && t.From == "":
		return "waits no more"
	case t.Fate == forecast.Stops:
		return "stops on " + t.From
	case t.To == "" && t.From != "":
		return "stops on " + t.From + ", and the next one waits: " + t.Pending
	case t.To == "":
		return "waits: " + t.Pending
	case t.From == "":
		return "starts on " + t.To
	case t.From == t.To:
		return "restarts on " + t.To
	}
	return t.From + " → " + t.To
}

// tally counts tasks by what becomes of them.
func tally(tasks []forecast.Task) string {
	counts := map[string]int{}
	for _, t := range tasks {
		what := verb(t)
		if t.To != "" {
			what += " on " + t.To
		}
		counts[what]++
	}
	var out []string
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		out = append(out, fmt.Sprintf("%d %s", counts[k], k))
	}
	return strings.Join(out, ", ")
}
