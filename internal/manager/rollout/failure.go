package rollout

import (
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
)

// Counts reports whether a task of the rollout that ended by itself counts as its failure: at and ranAt are Unix
// nanoseconds, ranAt 0 for a task that never ran.
func (c Config) Counts(r *model.Rollout, t *model.Task, s model.State, at, ranAt int64) bool {
	if !r.State.InProgress() || t.Reason != model.ReasonUpdate || t.Created < r.StartedAt {
		return false
	}
	if s != model.StateComplete && s != model.StateFailed && s != model.StateRejected {
		return false
	}
	return ranAt == 0 || at-ranAt <= int64(c.Monitor)
}

// Fail counts the failure of a task and does what the config says once there are too many.
func (c Config) Fail(r model.Rollout, task model.ID) model.Rollout {
	if !r.State.InProgress() {
		return r
	}
	r.Failures++
	if float32(r.Failures)/float32(max(r.Total, 1)) <= c.MaxRatio {
		return r
	}
	back := r.State == model.RolloutRollbackStarted
	switch c.Action {
	case swarm.UpdateFailureActionContinue:
		return r
	case swarm.UpdateFailureActionRollback:
		if !back && !r.Previous.IsZero() {
			return rollBack(r, task)
		}
		if back {
			return pause(r, msgRollbackPaused+task.String())
		}
	}
	return pause(r, msgPausedBy+task.String())
}

func pause(r model.Rollout, message string) model.Rollout {
	r.Message = message
	if r.State == model.RolloutRollbackStarted {
		r.State = model.RolloutRollbackPaused
	} else {
		r.State = model.RolloutPaused
	}
	return r
}

// rollBack makes the revision before the active one. There is none before that one any more, as in Docker.
func rollBack(r model.Rollout, task model.ID) model.Rollout {
	r.State, r.Message = model.RolloutRollbackStarted, msgRollbackBy+task.String()
	r.Active, r.Previous = r.Previous, model.ID{}
	r.Total, r.Failures, r.SettledAt = 0, 0, 0
	return r
}
