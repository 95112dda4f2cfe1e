package rollout

import (
	"time"

	"github.com/skep-org/skep/internal/model"
)

// Work is how far a service's slots are.
type Work struct {
	Stale int // slots whose task is of another revision and that nobody has begun to replace
	Busy  int // slots that take a place, see [Config.Busy]
}

// Busy reports whether a slot whose new task the rollout made still takes a place; if that ends by itself, until says
// when. ranAt is when the task began to run, or ended without; it matters from [model.StateRunning] on.
func (c Config) Busy(s model.State, ranAt int64, now time.Time) (busy bool, until time.Time) {
	if s < model.StateRunning {
		return true, time.Time{}
	}
	until = time.Unix(0, ranAt).Add(c.Delay)
	return now.Before(until), until
}

// Advance brings the row up to date with the work and says how many more slots may be taken on. wake is when the row
// changes by time alone; zero when it does not.
func (c Config) Advance(r model.Rollout, w Work, now time.Time) (next model.Rollout, begin int, wake time.Time) {
	if Paused(r.State) {
		return r, 0, wake
	}
	if w.Stale > 0 {
		if r = started(r, w.Stale, now); !r.State.InProgress() {
			return r, w.Stale, wake
		}
		return r, min(w.Stale, c.room(w)), wake
	}
	if !r.State.InProgress() {
		return r, 0, wake
	}
	if w.Busy > 0 {
		r.SettledAt = 0
		return r, 0, wake
	}
	if r.Total > 0 {
		if r.SettledAt == 0 {
			r.SettledAt = now.UnixNano()
		}
		if end := time.Unix(0, r.SettledAt).Add(c.Monitor); now.Before(end) {
			return r, 0, end
		}
	}
	return completed(r, now), 0, wake
}

// room is how many places are free.
func (c Config) room(w Work) int {
	if c.Parallelism == 0 {
		return w.Stale
	}
	return max(0, c.Parallelism-w.Busy)
}

// started notes that there is something to replace. A rollout that is over already is not started again: what is
// found stale after it, on a node that comes back, is replaced without a word and without waiting for a place.
func started(r model.Rollout, stale int, now time.Time) model.Rollout {
	if r.State == model.RolloutNone {
		r.State, r.Message, r.StartedAt = model.RolloutUpdating, msgUpdating, now.UnixNano()
	}
	if r.State.InProgress() {
		r.SettledAt = 0
		if r.Total == 0 {
			r.Total = uint32(stale)
		}
	}
	return r
}

func completed(r model.Rollout, now time.Time) model.Rollout {
	if r.State == model.RolloutRollbackStarted {
		r.State, r.Message = model.RolloutRollbackCompleted, msgRolledBack
	} else {
		r.State, r.Message = model.RolloutCompleted, msgCompleted
	}
	r.CompletedAt, r.SettledAt = now.UnixNano(), 0
	return r
}
