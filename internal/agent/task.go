package agent

import (
	"time"

	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/wire"
)

// task is what the agent knows of one task: an assigned one, one whose assignment is gone and whose container is to
// go too, or a container nobody has claimed yet.
type task struct {
	id       model.ID
	assigned *wire.Task // nil: not assigned
	startAt  time.Time  // not to be started earlier
	volumes  []model.PlacedVolume
	told     bool // it was assigned once, to this process or the one that saved it: volumes has all
	stranger bool // an older epoch's: left alone

	state   model.State // latest; the zero state means that nothing was decided yet
	message string      // empty: the usual words
	err     string
	begun   bool // its container was started, or may have been before this agent's time
	ran     bool
	report  bool // the manager has yet to hear of it

	holdUntil time.Time // a passing state is not reported before; zero: none is kept back

	container executor.Container
	has       bool      // there is a container
	prepared  bool      // by this process: a container found may be half made
	unhealthy bool      // being stopped because of it
	stopped   time.Time // when the engine said that it had stopped the container

	op       *Op // under way or waiting for its turn
	cancel   bool
	fresh    bool // an operation ended while the engine's containers were being listed
	retryAt  time.Time
	waits    bool // for data that a manager has announced
	failures int
}

// exitGrace is how long after a stop the agent waits for the container's exit code.
const exitGrace = 500 * time.Millisecond

// running reports whether the container's process runs.
func (t *task) running() bool { return t.has && t.container.Phase == executor.Running }

func (t *task) desired() model.State { return model.State(t.assigned.Desired) }

// unwanted reports whether an end is one that was asked for: perhaps by the process before this one, while others still
// led to the task.
func (t *task) unwanted() bool { return t.desired() >= model.StateShutdown || t.assigned.Ending }

// move takes a task to a later state, or notes another reason for the same.
func (t *task) move(s model.State, message, err string) {
	if s < t.state || t.state.Terminal() || s == t.state && message == t.message && err == t.err {
		return
	}
	t.state, t.message, t.err, t.report = s, message, err, true
}

// reach takes a task to a later state and leaves one that is there, and what is said of it, alone.
func (t *task) reach(s model.State) {
	if t.state < s {
		t.move(s, "", "")
	}
}

// passing reports whether the node is on its way to take the task out of its state: more is under way, and nothing is amiss.
func (t *task) passing() bool {
	wanted := t.desired() >= model.StateRunning && t.desired() <= model.StateComplete
	return wanted && t.state < model.StateRunning && t.err == "" && t.message == "" && !t.waits
}

// settle draws a task's state from its container.
//
// Until a manager has told this process all that is assigned, an end is not judged: what was kept on disk may be older
// than the order that ended the container.
func (t *task) settle(now time.Time, synced bool) {
	if t.running() && !t.stopped.IsZero() && !now.Before(t.stopped.Add(exitGrace)) {
		t.container.Phase = executor.Exited // its exit code did not come
	}
	if t.assigned == nil || t.state.Terminal() {
		return
	}
	ended := !t.has || t.container.Phase == executor.Exited
	switch {
	case ended && !synced && t.desired() < model.StateShutdown:
	case !t.has:
		t.settleAbsent()
	case t.container.Phase == executor.Exited:
		t.ran, t.begun = true, true
		t.settleExited()
	case t.container.Phase == executor.Running:
		t.ran, t.begun = true, true
		t.settleRunning()
	}
}

// settleAbsent ends a task that had been started and whose container somebody has removed.
func (t *task) settleAbsent() {
	if t.op != nil || !t.begun {
		return
	}
	if t.unwanted() {
		t.move(model.StateShutdown, "", "")
		return
	}
	t.move(model.StateFailed, "", "the container was removed by somebody else")
}

// settleExited ends a task by its exit code. One that ends well on its stop signal is complete though it was unhealthy:
// so it is in swarm, whose restart policies are read that way.
func (t *task) settleExited() {
	switch c := t.container; {
	case t.unhealthy && c.ExitCode != 0:
		t.move(model.StateFailed, "", exitWords(c.ExitCode, "dockerexec: unhealthy container"))
	case t.unwanted():
		t.move(model.StateShutdown, "", "")
	case c.ExitCode != 0:
		t.move(model.StateFailed, "", exitWords(c.ExitCode, c.Err))
	default:
		t.move(model.StateComplete, "", "")
	}
}

func (t *task) settleRunning() {
	switch t.container.Health {
	case executor.HealthStarting:
		t.reach(model.StateStarting)
	case executor.Unhealthy:
		t.unhealthy = true
	default:
		t.reach(model.StateRunning)
	}
}

// want decides what is to be done next for a task; later is when to look again though nothing happened.
func (t *task) want(now time.Time, synced bool) (kind Kind, later time.Time) {
	switch {
	case t.assigned == nil:
		if t.stranger || !synced {
			return none, later
		}
		if t.running() {
			return t.wantStop()
		}
		return Remove, later
	case t.running() && (t.state.Terminal() || t.unhealthy || t.desired() >= model.StateShutdown):
		return t.wantStop()
	case t.state.Terminal() || t.running():
		return none, later
	case t.desired() >= model.StateShutdown && t.mayStart():
		return Stop, later
	case t.desired() >= model.StateShutdown:
		t.move(model.StateShutdown, "", "")
		return none, later
	case !synced:
		return none, later
	case !t.has || !t.prepared:
		return Prepare, later
	case t.desired() < model.StateRunning:
		return none, later
	case t.startAt.After(now):
		return none, t.startAt
	}
	return Start, later
}

// mayStart reports whether the engine may be about to start the container by an order of an earlier process. The stop
// comes after it: only then does nothing of the task run, and another one may.
func (t *task) mayStart() bool {
	return t.has && t.container.Phase == executor.Created && !t.prepared && t.stopped.IsZero()
}

// wantStop stops once; then the container's exit is waited for.
func (t *task) wantStop() (Kind, time.Time) {
	if t.stopped.IsZero() {
		return Stop, time.Time{}
	}
	return none, t.stopped.Add(exitGrace)
}
