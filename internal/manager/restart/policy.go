package restart

import (
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
)

// DefaultDelay is swarm's delay between a task's end and the next start.
const DefaultDelay = 5 * time.Second

// MaxRecent bounds the restarts a slot's row remembers.
const MaxRecent = 512

// Policy is a restart policy with its defaults filled in.
type Policy struct {
	Condition   swarm.RestartPolicyCondition
	Delay       time.Duration
	MaxAttempts uint64 // 0: no limit
	Window      time.Duration
	Backoff     bool // no delay was asked for, so it may grow
}

// Of reads the policy of a task's spec; p may be nil.
func Of(p *swarm.RestartPolicy) Policy {
	r := Policy{Condition: swarm.RestartPolicyConditionAny, Delay: DefaultDelay, Backoff: true}
	if p == nil {
		return r
	}
	if p.Condition != "" {
		r.Condition = p.Condition
	}
	if p.Delay != nil {
		r.Delay, r.Backoff = max(*p.Delay, 0), false
	}
	if p.MaxAttempts != nil {
		r.MaxAttempts = *p.MaxAttempts
	}
	if p.Window != nil {
		r.Window = max(*p.Window, 0)
	}
	if r.windowed() {
		r.MaxAttempts = min(r.MaxAttempts, MaxRecent)
	}
	return r
}

// windowed reports whether restarts are limited inside a window.
func (p Policy) windowed() bool { return p.MaxAttempts > 0 && p.Window > 0 }

// End is how a task came to its end by itself.
type End struct {
	Revision model.ID
	State    model.State
	At       int64 // Unix nanoseconds
	RanAt    int64 // Unix nanoseconds; 0: it never ran
}

// EndOf reads a task's end of its rows; s may be nil for a task no agent ever had. A task that could not even be
// prepared counts as ended when it would have started, so that no delay is cut short by preparing early.
func EndOf(t *model.Task, o model.Observed, s *model.TaskStatus) End {
	e := End{Revision: t.Revision, State: o.State, At: max(o.At, t.NotBefore)}
	if s != nil && s.Detail != nil {
		e.RanAt = s.Detail.RanAt
	}
	return e
}

// Allows reports whether the policy lets a task follow one that ended so. slot may be nil: nothing was counted yet.
func (p Policy) Allows(slot *model.Slot, e End) bool {
	switch p.Condition {
	case swarm.RestartPolicyConditionNone:
		return false
	case swarm.RestartPolicyConditionOnFailure:
		if e.State == model.StateComplete {
			return false
		}
	}
	if p.MaxAttempts == 0 || slot == nil || slot.Revision != e.Revision {
		return true
	}
	if !p.windowed() {
		return uint64(slot.Attempts) < p.MaxAttempts
	}
	return uint64(restartsIn(slot.Recent, e.At-int64(p.Window), e.At)) < p.MaxAttempts
}

// Moves reports whether a task that has to leave its node is followed by one elsewhere.
func (p Policy) Moves() bool { return p.Condition != swarm.RestartPolicyConditionNone }

// restartsIn counts the times after from and before to.
func restartsIn(recent []int64, from, to int64) int {
	n := 0
	for _, t := range recent {
		if t > from && t <= to {
			n++
		}
	}
	return n
}
