package stagetest

import (
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// Run interprets one script against a new world that add put planners into. Commands, each followed by what it
// prints; one that prints nothing says ok:
//
//	node NAME [ready|down|disconnected|active|pause|drain] [label=K:V] [cpus=N] [memory=N] [generic=…]   add or change a node
//	node-rm NAME
//	service NAME [replicas=N|global|concurrent=N completions=N|global-job] [image=I] [force] [label=X] [after=SERVICE:CONDITION] [constraint=K:V] [cpus=N] [memory=N] [generic=…] [update-…] [rollback-…] [restart-…]
//	rollback NAME, rm NAME, history LIMIT
//	plan                            only the planners
//	work                            planners, scheduler and agents, until nothing happens
//	step                            planners, then one step of scheduler and agents, then planners
//	place TASK NODE, status TASK STATE, exit TASK CODE
//	advance DURATION                move the clock, then plan
//	tasks [SERVICE], rollout SERVICE, slots SERVICE, revisions SERVICE, awaits SERVICE
func Run(t *testing.T, path string, add func(*World)) {
	w := New(t)
	add(w)
	datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
		w.t = t
		out := w.command(d)
		if out == "" {
			return "ok\n"
		}
		return out
	})
}

func (w *World) command(d *datadriven.TestData) string {
	arg := func(i int) string {
		if i < len(d.CmdArgs) {
			return d.CmdArgs[i].Key
		}
		return ""
	}
	switch d.Cmd {
	case "node":
		w.nodeCommand(arg(0), d.CmdArgs[1:])
	case "node-rm":
		w.RemoveNode(arg(0))
	case "service":
		spec := w.Spec(arg(0))
		if err := setSpec(&spec, d.CmdArgs[1:]); err != nil {
			d.Fatalf(w.t.(*testing.T), "%v", err)
		}
		w.Ask(spec)
	case "rollback":
		if !w.Rollback(arg(0)) {
			return "there is no previous revision\n"
		}
	case "rm":
		w.Remove(arg(0))
	case "history":
		var limit int64
		d.ScanArgs(w.t.(*testing.T), "limit", &limit)
		w.History(limit)
	case "plan":
		w.Settle()
	case "work":
		w.Work()
	case "step":
		w.Settle()
		w.PlaceAll()
		w.Agents()
		w.Settle()
	case "place":
		w.Place(w.task(arg(0)), w.ID(arg(1)))
		w.Settle()
	case "status":
		w.Report(w.task(arg(0)), w.state(arg(1)), 0, "")
		w.Settle()
	case "exit":
		state := model.StateFailed
		if arg(1) == "0" {
			state = model.StateComplete
		}
		w.Report(w.task(arg(0)), state, 0, "")
		w.Settle()
	case "advance":
		dur, err := time.ParseDuration(arg(0))
		if err != nil {
			d.Fatalf(w.t.(*testing.T), "%v", err)
		}
		w.Advance(dur)
		w.Settle()
	case "tasks":
		return w.PrintTasks(arg(0))
	case "rollout":
		return w.PrintRollout(arg(0))
	case "revisions":
		return w.PrintRevisions(arg(0))
	case "awaits":
		return w.PrintAwaits(arg(0))
	case "slots":
		return w.PrintSlots(arg(0))
	default:
		d.Fatalf(w.t.(*testing.T), "unknown command %s", d.Cmd)
	}
	return ""
}

func (w *World) task(name string) *model.Task {
	t := store.Tasks.ByID(w.View(), w.ID(name))
	if t == nil {
		w.t.Fatalf("task %s is gone", name)
	}
	return t
}

func (w *World) nodeCommand(name string, args []datadriven.CmdArg) {
	if !w.Has(name) {
		w.Node(name)
	}
	for _, a := range args {
		switch a.Key {
		case "ready":
			w.Reach(name, model.ReachReady)
		case "down":
			w.Reach(name, model.ReachDown)
		case "disconnected":
			w.Reach(name, model.ReachDisconnected)
		case "cpus", "memory", "generic":
			w.Offer(name, func(r *swarm.Resources) {
				if err := setAmount(r, a.Key, a.Vals[0]); err != nil {
					w.t.Fatalf("%s: %v", a, err)
				}
			})
		case "label":
			k, v, _ := strings.Cut(a.Vals[0], ":")
			w.EditNode(name, func(s *swarm.NodeSpec) { s.Labels = map[string]string{k: v} })
		default:
			w.EditNode(name, func(s *swarm.NodeSpec) { s.Availability = swarm.NodeAvailability(a.Key) })
		}
	}
}

func (w *World) state(name string) model.State {
	for s := range model.StateOrphaned {
		if s.String() == name {
			return s
		}
	}
	w.t.Fatalf("no state is called %q", name)
	return 0
}
