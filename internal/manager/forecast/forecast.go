package forecast

import (
	"fmt"
	"time"

	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

const (
	// maxRounds bounds a forecast: how often agents act or time passes. Each slot of a rolling update takes a few.
	maxRounds = 20_000
	// maxSettle bounds how often the planners may be asked without coming to rest at one moment.
	maxSettle = 1_000
)

// Forecast is a copy of the state that goes its own way. It belongs to one goroutine.
type Forecast struct {
	began  store.View
	start  time.Time
	store  *store.Store
	clock  *env.Manual
	commit store.Direct
	loops  []*control.Loop
	agents agents
	rounds int
	open   string // why it ended before everything rested
}

// New begins a forecast with a view. planners makes those of a leader's term; they get a clock and a source of ids of their own.
func New(v store.View, now time.Time, planners func(env.Env) []control.Planner) *Forecast {
	if newest := time.Unix(0, v.Now()); newest.After(now) {
		now = newest
	}
	f := &Forecast{began: v, start: now, store: v.Fork(), clock: env.NewManual(now)}
	f.commit = store.Direct{Store: f.store, Now: f.tick}
	f.agents = newAgents(v)
	for _, p := range planners(env.Seeded(^v.Index(), f.clock)) { // far from the seeds of simulations: an id that is taken would be another's task
		f.loops = append(f.loops, control.NewLoop(p, f.store, f.commit, f.clock))
	}
	return f
}

// tick is the time of a commit: each has its own, as rows are told apart by when they were made.
func (f *Forecast) tick() time.Time {
	f.clock.Set(f.clock.Now().Add(time.Nanosecond))
	return f.clock.Now()
}

// View is the state as far as it was foreseen.
func (f *Forecast) View() store.View { return f.store.View() }

// Commit implements [store.Committer]: it writes into the copy.
func (f *Forecast) Commit(b *store.Batch) *store.Pending { return f.commit.Commit(b) }

// Settle has the planners decide until they rest, as they do while the next write is on its way. No agent has acted by
// then, and no time has passed.
func (f *Forecast) Settle() error {
	_, err := f.settle()
	return err
}

// settle returns when the planners want to be asked again though nothing changes; the zero time means never.
func (f *Forecast) settle() (time.Time, error) {
	for range maxSettle {
		before := f.store.View().Index()
		var first time.Time
		for _, l := range f.loops {
			next, err := l.Step(f.clock.Now())
			if err != nil {
				return first, fmt.Errorf("the cluster's decisions cannot be foreseen: %w", err)
			}
			if !next.IsZero() && (first.IsZero() || next.Before(first)) {
				first = next
			}
		}
		if f.store.View().Index() == before && (first.IsZero() || first.After(f.clock.Now())) {
			return first, nil
		}
	}
	return time.Time{}, fmt.Errorf("the cluster's decisions cannot be foreseen: the planners do not come to rest in %d steps", maxSettle)
}

// Step goes one round further, and reports whether there is nothing more to foresee.
func (f *Forecast) Step() (done bool, err error) {
	next, err := f.settle()
	if err != nil {
		return false, err
	}
	worked, err := f.act()
	switch {
	case err != nil:
		return false, err
	case !worked && (f.rests() || next.IsZero()):
		return true, nil
	}
	if f.rounds++; f.rounds > maxRounds {
		f.open = fmt.Sprintf("it was followed for %d steps, and tasks are still being replaced", maxRounds)
		return true, nil
	}
	if !worked {
		f.clock.Set(next)
	}
	return false, nil
}

// rests reports whether no service that was written is on its way any more.
func (f *Forecast) rests() bool {
	v := f.store.View()
	for s := range store.Services.All(v) {
		if f.written(s) && !f.restful(v, s) {
			return false
		}
	}
	return true
}

// written reports whether the writes that are foreseen are about a service.
func (f *Forecast) written(s *model.Service) bool { return s.Index > f.began.Index() }

func (f *Forecast) restful(v store.View, s *model.Service) bool {
	r := store.Rollouts.ByID(v, s.ID)
	if r == nil || r.AskedIndex != s.Index || r.State.InProgress() {
		return false
	}
	now := f.clock.Now().UnixNano()
	for t := range store.TasksOf(v, s.ID) {
		if t.Desired < model.StateShutdown && t.NotBefore > now {
			return false
		}
	}
	return true
}
