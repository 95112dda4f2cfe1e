package restart

import (
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"pgregory.net/rapid"
)

func ptr[T any](v T) *T { return &v }

// TestDelays holds the delays of a crash loop against the documented ones, and shows that a delay asked for is kept.
func TestDelays(t *testing.T) {
	for _, c := range []struct {
		name   string
		policy *swarm.RestartPolicy
		ran    time.Duration
		want   []time.Duration
	}{
		{"default grows", nil, time.Second, []time.Duration{5, 5, 10, 20, 40, 80, 160, 300, 300}},
		{"a good run starts over", nil, time.Minute, []time.Duration{5, 5, 5, 5}},
		{"asked for stays", &swarm.RestartPolicy{Delay: ptr(time.Second)}, 0, []time.Duration{1, 1, 1, 1}},
		{"none asked for stays", &swarm.RestartPolicy{Delay: ptr(time.Duration(0))}, 0, []time.Duration{0, 0, 0, 0}},
	} {
		p, now := Of(c.policy), time.Unix(1000, 0)
		var slot *model.Slot
		for i, want := range c.want {
			e := End{State: model.StateFailed, At: now.Add(c.ran).UnixNano(), RanAt: now.UnixNano()}
			next, at := p.Next(slot, model.Slot{}, model.ID{}, e, time.Unix(0, e.At))
			if got := at.Sub(time.Unix(0, e.At)); got != want*time.Second {
				t.Errorf("%s: restart %d waits %s, want %s", c.name, i+1, got, want*time.Second)
			}
			slot, now = &next, at
		}
	}
}

// TestWindow compares the rows' count with a list of all restarts ever, as a model that forgets nothing.
func TestWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		window := time.Duration(rapid.IntRange(1, 30).Draw(t, "window")) * time.Second
		limit := rapid.Uint64Range(1, 6).Draw(t, "limit")
		p := Of(&swarm.RestartPolicy{Delay: ptr(time.Duration(0)), MaxAttempts: &limit, Window: &window})
		now, revision := time.Unix(1000, 0), model.ID{1}
		var slot *model.Slot
		var all []int64
		for range rapid.IntRange(1, 40).Draw(t, "ends") {
			now = now.Add(time.Duration(rapid.IntRange(1, 15).Draw(t, "after")) * time.Second)
			e := End{Revision: revision, State: model.StateFailed, At: now.UnixNano()}
			inside := uint64(0)
			for _, at := range all {
				if at > e.At-int64(window) {
					inside++
				}
			}
			if got, want := p.Allows(slot, e), inside < limit; got != want {
				t.Fatalf("%d restarts in the last %s, limit %d: allowed is %v", inside, window, limit, got)
			}
			if inside >= limit {
				continue // rested: asked about again at a later end, as after an operator's doing
			}
			next, _ := p.Next(slot, model.Slot{}, revision, e, now)
			slot, all = &next, append(all, now.UnixNano())
			if len(next.Recent) > int(limit)+1 {
				t.Fatalf("%d restarts are remembered for a limit of %d", len(next.Recent), limit)
			}
		}
	})
}

// TestConditions shows which ends are followed by a restart.
func TestConditions(t *testing.T) {
	failed, complete := End{State: model.StateFailed}, End{State: model.StateComplete}
	for _, c := range []struct {
		condition      swarm.RestartPolicyCondition
		failed, fine   bool
		movesElsewhere bool
	}{
		{"", true, true, true},
		{swarm.RestartPolicyConditionAny, true, true, true},
		{swarm.RestartPolicyConditionOnFailure, true, false, true},
		{swarm.RestartPolicyConditionNone, false, false, false},
	} {
		p := Of(&swarm.RestartPolicy{Condition: c.condition})
		if p.Allows(nil, failed) != c.failed || p.Allows(nil, complete) != c.fine || p.Moves() != c.movesElsewhere {
			t.Errorf("condition %q: after a failure %v, after a good end %v, moves %v", c.condition, p.Allows(nil, failed), p.Allows(nil, complete), p.Moves())
		}
	}
}
