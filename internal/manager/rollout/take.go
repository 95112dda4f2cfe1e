package rollout

import (
	"time"

	"github.com/skep-org/skep/internal/model"
)

// Docker's words for the states of an update.
const (
	msgUpdating       = "update in progress"
	msgCompleted      = "update completed"
	msgRolledBack     = "rollback completed"
	msgManualRollback = "manually requested rollback"
	msgPausedBy       = "update paused due to failure or early termination of task "
	msgRollbackPaused = "rollback paused due to failure or early termination of task "
	msgRollbackBy     = "update rolled back due to failure or early termination of task "
)

// Answers reports whether r is about what the service row asks for. r may be nil.
func Answers(r *model.Rollout, s *model.Service) bool {
	return r != nil && r.Asked == s.Revision && r.AskedIndex == s.Index
}

// Take begins to answer what a service row asks for: whatever was under way is superseded. old may be nil.
func Take(s *model.Service, old *model.Rollout, now time.Time) model.Rollout {
	r := model.Rollout{ServiceID: s.ID}
	if old != nil {
		r.Meta, r.ActiveIndex = old.Meta, old.ActiveIndex
	}
	r.Asked, r.AskedIndex = s.Revision, s.Index
	r.Active, r.Previous = s.Revision, s.Previous
	if s.Rollback {
		r.State, r.Message, r.StartedAt = model.RolloutRollbackStarted, msgManualRollback, now.UnixNano()
	}
	return r
}

// Hold says in the row why slots that might be taken on now are not; no reason: they are. What a rollback says stays.
func Hold(r model.Rollout, reason string) model.Rollout {
	switch {
	case r.State != model.RolloutUpdating:
	case reason == "":
		r.Message = msgUpdating
	default:
		r.Message = msgUpdating + ", " + reason
	}
	return r
}

// Paused reports whether no further slot is to be replaced until something else is asked for.
func Paused(s model.RolloutState) bool {
	return s == model.RolloutPaused || s == model.RolloutRollbackPaused
}
