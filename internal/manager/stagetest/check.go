package stagetest

import (
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// checkFixpoint asks every planner about everything again: it must plan nothing.
func (w *World) checkFixpoint() {
	w.t.Helper()
	v := w.View()
	for _, s := range w.stages {
		res, err := s.planner.Plan(v, s.planner.All(v), w.Now())
		if err != nil {
			w.t.Fatalf("%s: %v", s.planner.Name(), err)
		}
		if len(res.Changes) > 0 {
			w.t.Fatalf("%s plans %d changes where nothing changed: %s", s.planner.Name(), len(res.Changes), w.Describe(res.Changes))
		}
	}
}

// checkForward holds every task against the furthest it was seen. One state that is read off other rows may pass: a
// task stopped before it was placed counts as ended, but the scheduler may have been faster.
func (w *World) checkForward() {
	w.t.Helper()
	for t := range store.Tasks.All(w.View()) {
		at := progress{t.Desired, w.Observe(t).State}
		last := w.peak[t.ID]
		if at.desired < last.desired || at.state < last.state && last.state != model.StateShutdown {
			w.t.Fatalf("task %s moved back: %s, wanted %s; it was %s, wanted %s", w.Name(t.ID), at.state, at.desired, last.state, last.desired)
		}
		w.peak[t.ID] = at
	}
}

// Observe is a task's state.
func (w *World) Observe(t *model.Task) model.Observed {
	return store.Observe(w.View(), t, w.Now())
}
