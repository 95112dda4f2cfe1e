package model

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"pgregory.net/rapid"
)

var start = time.Unix(1_000_000, 0)

// rows are what a task's stages wrote so far.
type rows struct {
	task   *Task
	alloc  *Allocation
	place  *Placement
	status *TaskStatus
	node   *NodeState
	now    time.Time
}

func (r *rows) observe() Observed {
	return Observe(r.task, r.alloc, r.place, r.status, r.node, r.now)
}

var states = map[string]State{
	"new": StateNew, "pending": StatePending, "assigned": StateAssigned, "accepted": StateAccepted,
	"preparing": StatePreparing, "ready": StateReady, "starting": StateStarting, "running": StateRunning,
	"complete": StateComplete, "shutdown": StateShutdown, "failed": StateFailed, "rejected": StateRejected,
	"remove": StateRemove, "orphaned": StateOrphaned,
}

// TestObserve: "observe" reads one row a line (task, allocation, placement, status, node) and prints what Docker
// would show of the task. Each row is stamped a second after the one before, the task's at 0s.
func TestObserve(t *testing.T) {
	datadriven.Walk(t, "testdata/observe", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			r := &rows{task: &Task{ID: NumID(1), Desired: StateRunning}, now: start.Add(time.Minute)}
			at := start
			for line := range strings.Lines(d.Input) {
				stamp(t, r, at, strings.TrimSpace(line))
				at = at.Add(time.Second)
			}
			o := r.observe()
			out := fmt.Sprintf("%s at %v: %s", o.State, time.Unix(0, o.At).Sub(start), o.Message)
			if o.Err != "" {
				out += " | " + o.Err
			}
			if !o.NodeID.IsZero() {
				out += " on node " + strings.TrimLeft(o.NodeID.String(), "0")
			}
			return out
		})
	})
}

func stamp(t *testing.T, r *rows, at time.Time, line string) {
	row, rest, _ := strings.Cut(line, " ")
	word, text, _ := strings.Cut(rest, " ")
	m := Meta{Created: at.UnixNano(), Updated: at.UnixNano()}
	switch row {
	case "task":
		r.task = &Task{Meta: m, ID: NumID(1), Desired: states[word]}
		if text == "global" {
			r.task.NodeID = NumID(9)
		}
	case "allocation":
		r.alloc = &Allocation{Meta: m, Owner: NumID(1), Done: word == "done", Err: text}
	case "placement":
		r.place = &Placement{Meta: m, TaskID: NumID(1), Err: text}
		if word == "on" {
			r.place.NodeID, r.place.Err = NumID(9), ""
			r.node = &NodeState{State: ReachReady}
		}
	case "status":
		r.status = &TaskStatus{Meta: m, TaskID: NumID(1), State: states[word], At: at.UnixNano()}
		if text != "" {
			message, err, _ := strings.Cut(text, " | ")
			r.status.Detail = &TaskDetail{Message: message, Err: err}
		}
	case "node":
		switch since, err := time.ParseDuration(text); {
		case word == "gone":
			r.node = nil
		case err != nil:
			t.Fatal(err)
		default:
			r.node = &NodeState{State: map[string]Reach{"down": ReachDown, "ready": ReachReady, "unknown": ReachUnknown}[word], Since: r.now.Add(-since).UnixNano()}
		}
	default:
		t.Fatalf("unknown row %q", line)
	}
}

// TestTasksMoveForward: whatever order the stages' rows come in, as far as their writers keep to their own rules
// (below), a task's state never moves backwards, and a terminal state is the last.
func TestTasksMoveForward(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := &rows{task: &Task{Desired: StateReady}, now: start}
		last := r.observe()
		lost := false
		t.Repeat(map[string]func(*rapid.T){
			"orchestrator": func(t *rapid.T) {
				// Desired only rises.
				n := *r.task
				n.Desired = max(n.Desired, rapid.SampledFrom([]State{StateReady, StateRunning, StateShutdown, StateRemove}).Draw(t, "desired"))
				n.Updated = r.now.UnixNano()
				r.task = &n
			},
			"allocator": func(t *rapid.T) {
				switch {
				case last.State.Terminal(): // what has ended is freed
					r.alloc = nil
				case r.alloc == nil || !r.alloc.Done: // what was given is kept
					r.alloc = &Allocation{Done: rapid.Bool().Draw(t, "done"), Err: "waits"}
				}
			},
			"scheduler": func(t *rapid.T) {
				// Only what is allocated and wanted (the store sees to that) and has no node yet.
				if r.alloc == nil || !r.alloc.Done || r.task.Desired >= StateShutdown || r.place != nil && !r.place.NodeID.IsZero() {
					t.Skip("not now")
				}
				r.place = &Placement{Err: "no suitable node"}
				if rapid.Bool().Draw(t, "fits") {
					r.place, r.node = &Placement{NodeID: NumID(9)}, &NodeState{State: ReachReady, Since: r.now.UnixNano()}
				}
			},
			"agent": func(t *rapid.T) {
				// An agent reports on what it was given, while its node is there; states rise, terminal ones stay.
				if r.place == nil || r.place.NodeID.IsZero() || r.node == nil || r.node.State == ReachDown || r.status != nil && r.status.State.Terminal() {
					t.Skip("not now")
				}
				state := rapid.SampledFrom([]State{StateAccepted, StatePreparing, StateReady, StateStarting, StateRunning, StateComplete, StateShutdown, StateFailed, StateRejected}).Draw(t, "state")
				if r.status != nil && state < r.status.State {
					t.Skip("backwards")
				}
				r.status = &TaskStatus{State: state, At: r.now.UnixNano()}
			},
			"node": func(t *rapid.T) {
				if r.node == nil {
					t.Skip("no node")
				}
				switch rapid.IntRange(0, 3).Draw(t, "node") {
				case 0:
					r.node = nil
				case 1:
					// Back after the limit: the dispatcher writes down that what it had is orphaned.
					if lost && (r.status == nil || !r.status.State.Terminal()) {
						r.status = &TaskStatus{State: StateOrphaned, At: r.now.UnixNano()}
					}
					r.node = &NodeState{State: ReachReady, Since: r.now.UnixNano()}
				default:
					if r.node.State != ReachDown { // it is down since it fell silent
						r.node = &NodeState{State: ReachDown, Since: r.now.UnixNano()}
					}
				}
			},
			"time": func(t *rapid.T) {
				r.now = r.now.Add(time.Duration(rapid.IntRange(1, 30).Draw(t, "hours")) * time.Hour)
				if r.node != nil && r.node.State == ReachDown && r.now.Sub(time.Unix(0, r.node.Since)) >= OrphanAfter {
					lost = true
				}
			},
			"": func(t *rapid.T) {
				o := r.observe()
				if o.State < last.State || last.State.Terminal() && o.State != last.State {
					t.Fatalf("%s after %s: %+v", o.State, last.State, r)
				}
				if o.Err != "" && o.State >= StateAssigned && r.status == nil {
					t.Fatalf("%s says why it waits: %s", o.State, o.Err)
				}
				last = o
			},
		})
	})
}

// TestStatesKeepTheirNumbers: they are on disk, and their order is Docker's.
func TestStatesKeepTheirNumbers(t *testing.T) {
	order := []string{"new", "pending", "assigned", "accepted", "preparing", "ready", "starting", "running", "complete", "shutdown", "failed", "rejected", "remove", "orphaned"}
	for i, name := range order {
		s := states[name]
		if int(s) != 8*i || s.String() != name {
			t.Errorf("state %d is %s, want %s at %d", s, s, name, 8*i)
		}
		if s.Terminal() != (i >= 8) {
			t.Errorf("%s is terminal: %v", s, s.Terminal())
		}
	}
}

// TestNumbersOfNewerBuilds: what this build has no name for is shown somehow, and does not end it.
func TestNumbersOfNewerBuilds(*testing.T) {
	for n := range 256 {
		_ = fmt.Sprint(State(n), Reason(n), RolloutState(n).Swarm(), Reach(n).Swarm(), Role(n).Swarm())
	}
}
