package rollout

import (
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
)

// TestFail shows what too many failures lead to, by action and by what is under way, in Docker's words.
func TestFail(t *testing.T) {
	task := model.ID{9}
	by := " due to failure or early termination of task " + task.String()
	previous := model.ID{2}
	for _, c := range []struct {
		name    string
		action  swarm.FailureAction
		state   model.RolloutState
		before  model.ID
		ratio   float32
		want    model.RolloutState
		message string
	}{
		{"pause", "pause", model.RolloutUpdating, previous, 0, model.RolloutPaused, "update paused" + by},
		{"pause a rollback", "pause", model.RolloutRollbackStarted, previous, 0, model.RolloutRollbackPaused, "update paused" + by},
		{"continue", "continue", model.RolloutUpdating, previous, 0, model.RolloutUpdating, ""},
		{"roll back", "rollback", model.RolloutUpdating, previous, 0, model.RolloutRollbackStarted, "update rolled back" + by},
		{"roll back a rollback", "rollback", model.RolloutRollbackStarted, previous, 0, model.RolloutRollbackPaused, "rollback paused" + by},
		{"nothing to go back to", "rollback", model.RolloutUpdating, model.ID{}, 0, model.RolloutPaused, "update paused" + by},
		{"few enough", "pause", model.RolloutUpdating, previous, 0.25, model.RolloutUpdating, ""},
		{"too many", "pause", model.RolloutUpdating, previous, 0.24, model.RolloutPaused, "update paused" + by},
		{"over already", "pause", model.RolloutCompleted, previous, 0, model.RolloutCompleted, ""},
	} {
		cfg := Config{Action: c.action, MaxRatio: c.ratio}
		got := cfg.Fail(model.Rollout{State: c.state, Active: model.ID{1}, Previous: c.before, Total: 4}, task)
		if got.State != c.want || got.Message != c.message {
			t.Errorf("%s: %v %q, want %v %q", c.name, got.State, got.Message, c.want, c.message)
		}
		if wentBack := got.Active == previous; wentBack != (c.name == "roll back") {
			t.Errorf("%s: active is %v", c.name, got.Active)
		}
	}
}

// TestAdvance walks an update of three slots through its places, its delay and its last monitoring.
func TestAdvance(t *testing.T) {
	cfg := Config{Parallelism: 2, Monitor: 5 * time.Second}
	now := time.Unix(1000, 0)
	r := model.Rollout{}
	for i, step := range []struct {
		after time.Duration
		work  Work
		begin int
		state model.RolloutState
		wake  time.Duration
	}{
		{0, Work{}, 0, model.RolloutNone, 0},
		{0, Work{Stale: 3}, 2, model.RolloutUpdating, 0},
		{0, Work{Stale: 1, Busy: 2}, 0, model.RolloutUpdating, 0},
		{time.Second, Work{Stale: 1, Busy: 1}, 1, model.RolloutUpdating, 0},
		{0, Work{Busy: 1}, 0, model.RolloutUpdating, 0},
		{time.Second, Work{}, 0, model.RolloutUpdating, 5 * time.Second},
		{4 * time.Second, Work{}, 0, model.RolloutUpdating, time.Second},
		{time.Second, Work{}, 0, model.RolloutCompleted, 0},
		{0, Work{Stale: 7}, 7, model.RolloutCompleted, 0},
	} {
		now = now.Add(step.after)
		next, begin, wake := cfg.Advance(r, step.work, now)
		if begin != step.begin || next.State != step.state {
			t.Fatalf("step %d: begin %d in %v, want %d in %v", i, begin, next.State, step.begin, step.state)
		}
		if want := now.Add(step.wake); step.wake != 0 && !wake.Equal(want) || step.wake == 0 && !wake.IsZero() {
			t.Fatalf("step %d: wakes at %v, want %v", i, wake, step.wake)
		}
		r = next
	}
}

// TestCounts shows which ends are failures of the update.
func TestCounts(t *testing.T) {
	cfg := Config{Monitor: 5 * time.Second}
	r := &model.Rollout{State: model.RolloutUpdating, StartedAt: 100}
	second := int64(time.Second)
	for _, c := range []struct {
		name      string
		reason    model.Reason
		created   int64
		state     model.State
		at, ranAt int64
		want      bool
	}{
		{"soon", model.ReasonUpdate, 100, model.StateFailed, 15 * second, 10 * second, true},
		{"after the monitor", model.ReasonUpdate, 100, model.StateFailed, 15*second + 1, 10 * second, false},
		{"never ran", model.ReasonUpdate, 100, model.StateRejected, 99 * second, 0, true},
		{"completed", model.ReasonUpdate, 100, model.StateComplete, 11 * second, 10 * second, true},
		{"was stopped", model.ReasonUpdate, 100, model.StateShutdown, 11 * second, 10 * second, false},
		{"a restart", model.ReasonRestart, 100, model.StateFailed, 11 * second, 10 * second, false},
		{"an earlier update's", model.ReasonUpdate, 99, model.StateFailed, 11 * second, 10 * second, false},
	} {
		task := &model.Task{Reason: c.reason}
		task.Created = c.created
		if got := cfg.Counts(r, task, c.state, c.at, c.ranAt); got != c.want {
			t.Errorf("%s: counts is %v", c.name, got)
		}
	}
}
