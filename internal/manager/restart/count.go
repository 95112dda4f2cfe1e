package restart

import (
	"time"

	"github.com/skep-org/skep/internal/model"
)

const (
	// wellAfter is how long a task has run when its end is not part of a crash loop.
	wellAfter = time.Minute
	// patience is how many short runs in a row are restarted at the policy's own delay.
	patience = 2
	maxDelay = 5 * time.Minute
)

// Next counts the restart that follows e, by a task of revision, and returns the slot's row as it is then and when
// the new task may start. prev may be nil; the row returned is new and keeps only what the policy needs.
func (p Policy) Next(prev *model.Slot, key model.Slot, revision model.ID, e End, now time.Time) (model.Slot, time.Time) {
	next := model.Slot{ServiceID: key.ServiceID, Slot: key.Slot, NodeID: key.NodeID, Revision: revision}
	if prev != nil && prev.Revision == revision {
		next.Attempts, next.Streak = prev.Attempts, prev.Streak
		next.Recent = prev.Recent
	}
	if p.Backoff {
		if e.RanAt != 0 && e.At-e.RanAt >= int64(wellAfter) {
			next.Streak = 0
		}
		next.Streak++
	} else {
		next.Streak = 0
	}
	switch {
	case p.MaxAttempts == 0:
		next.Attempts, next.Recent = 0, nil
	case p.windowed():
		next.Attempts, next.Recent = 0, p.remember(next.Recent, e.At, now.UnixNano())
	default:
		next.Attempts, next.Recent = next.Attempts+1, nil
	}
	return next, time.Unix(0, e.At).Add(p.delay(next.Streak))
}

// remember adds a restart to those that can still count: later windows end later than this one.
func (p Policy) remember(recent []int64, ended, now int64) []int64 {
	var out []int64
	for _, t := range recent {
		if t > ended-int64(p.Window) {
			out = append(out, t)
		}
	}
	out = append(out, now)
	return out[max(0, len(out)-MaxRecent):]
}

// delay grows with the streak of short runs.
func (p Policy) delay(streak uint32) time.Duration {
	d := p.Delay
	for i := uint32(patience); i < streak && d < maxDelay; i++ {
		d *= 2
	}
	return max(p.Delay, min(d, maxDelay))
}
