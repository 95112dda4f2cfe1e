package stagetest

import (
	"crypto/sha256"
	"encoding/binary"
	"testing"
	"time"

	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// TB is what a world needs of a test; rapid's T has it too.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
}

var _ TB = (*testing.T)(nil)

// World is a cluster of one leader without a log.
type World struct {
	t      TB
	Store  *store.Store
	Clock  *env.Manual
	commit store.Direct
	stages []stage

	drawn  uint64
	names  map[model.ID]string
	byName map[string]model.ID
	counts map[string]int
	peak   map[model.ID]progress
}

type stage struct {
	planner control.Planner
	loop    *control.Loop
}

// progress is the furthest a task was seen.
type progress struct{ desired, state model.State }

// Start is when every world's clock starts.
func Start() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

// New makes an empty world with a cluster row.
func New(t TB) *World {
	w := &World{
		t: t, Store: store.New(), Clock: env.NewManual(Start()), names: map[model.ID]string{}, byName: map[string]model.ID{},
		counts: map[string]int{}, peak: map[model.ID]progress{},
	}
	w.commit = store.Direct{Store: w.Store, Now: w.tick}
	w.Write(store.WriterAPI, store.Clusters.Put(&model.Cluster{ID: w.NewID()}))
	return w
}

// Add puts a planner into the world.
func (w *World) Add(p control.Planner) {
	w.stages = append(w.stages, stage{p, control.NewLoop(p, w.Store, w.commit, w.Clock)})
}

// View is the newest state.
func (w *World) View() store.View { return w.Store.View() }

// Now is the clock's time.
func (w *World) Now() time.Time { return w.Clock.Now() }

// NewID draws an id; the same world draws the same ones, in no order.
func (w *World) NewID() model.ID {
	w.drawn++
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, w.drawn))
	return model.ID(sum[:16])
}

// Write commits rows as their writer and fails the test when that is refused.
func (w *World) Write(by store.Writer, changes ...store.Change) {
	w.t.Helper()
	if len(changes) == 0 {
		return
	}
	if _, _, err := w.commit.Commit(&store.Batch{Writer: by, Changes: changes}).Result(); err != nil {
		w.t.Fatalf("write as %s: %v", by, err)
	}
}

// tick is the time of a commit: each has its own, as in the world, where rows are told apart by when they were made.
func (w *World) tick() time.Time {
	w.Advance(time.Nanosecond)
	return w.Now()
}

// Advance moves the clock.
func (w *World) Advance(d time.Duration) { w.Clock.Set(w.Now().Add(d)) }

// maxSteps bounds how long a world may take to settle without a change from outside.
const maxSteps = 300

// Settle steps the planners until none has anything to do, then checks the world's invariants.
func (w *World) Settle() {
	w.t.Helper()
	for range maxSteps {
		before, due := w.View().Index(), false
		for _, s := range w.stages {
			next, err := s.loop.Step(w.Now())
			if err != nil {
				w.t.Fatalf("step: %v", err)
			}
			due = due || !next.IsZero() && !next.After(w.Now())
		}
		w.nameTasks()
		w.checkForward()
		if w.View().Index() == before && !due {
			w.checkFixpoint()
			return
		}
	}
	w.t.Fatalf("the planners did not settle in %d steps", maxSteps)
}

// NextWake is when a planner wants to be called again though nothing changes; zero when none does.
func (w *World) NextWake() time.Time {
	w.t.Helper()
	var first time.Time
	for _, s := range w.stages {
		next, err := s.loop.Step(w.Now())
		if err != nil {
			w.t.Fatalf("step: %v", err)
		}
		if !next.IsZero() && (first.IsZero() || next.Before(first)) {
			first = next
		}
	}
	return first
}

// Depose forgets the planners, as a leader does that leads no more: add the next leader's.
func (w *World) Depose() { w.stages = nil }
