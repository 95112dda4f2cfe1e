package conformance

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/model"
)

// limit bounds a case: far more than a busy machine needs, less than a hung one takes.
const limit = 2 * time.Minute

func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

func prepare(t *testing.T, e executor.Executor, task *executor.Task) executor.Container {
	t.Helper()
	c, err := e.Prepare(bounded(t), task)
	if err != nil {
		t.Fatalf("prepare: %v", err)
	}
	t.Cleanup(func() {
		if err := e.Remove(context.Background(), task.ID); err != nil {
			t.Errorf("removing the container in the end: %v", err)
		}
	})
	if c.TaskID != task.ID || len(c.ID) != 64 {
		t.Fatalf("prepare answered %+v: it lacks the task's id or the container's", c)
	}
	return c
}

func start(t *testing.T, e executor.Executor, task *executor.Task) executor.Container {
	t.Helper()
	prepare(t, e, task)
	c, err := e.Start(bounded(t), task)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	return c
}

// listed returns a task's container as List tells it.
func listed(t *testing.T, e executor.Executor, task model.ID) (executor.Container, bool) {
	t.Helper()
	list, err := e.List(bounded(t))
	if err != nil {
		t.Fatalf("list: %v", err)
	}
	var found []executor.Container
	for _, c := range list {
		if c.TaskID == task {
			found = append(found, c)
		}
	}
	if len(found) > 1 {
		t.Fatalf("the task has %d containers: %+v", len(found), found)
	}
	if len(found) == 0 {
		return executor.Container{}, false
	}
	return found[0], true
}

func wantPhase(t *testing.T, c executor.Container, want executor.Phase) {
	t.Helper()
	if c.Phase != want {
		t.Fatalf("the container is in phase %d, want %d: %+v", c.Phase, want, c)
	}
}

// ownFault checks that an error is the task's own, not the engine's absence.
func ownFault(t *testing.T, err error) {
	t.Helper()
	if err == nil || errors.Is(err, executor.ErrUnavailable) || errors.Is(err, executor.ErrNoContainer) {
		t.Fatalf("the error is %v: want one that is the task's own", err)
	}
}

// watched collects what a Watch tells.
type watched struct {
	t      *testing.T
	mu     sync.Mutex
	seen   []executor.Container
	news   chan struct{}
	cancel context.CancelFunc
	ended  chan struct{}
	err    error
}

// watch begins a Watch and returns when it is ready; it ends with the test at the latest.
func watch(t *testing.T, e executor.Executor) *watched {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w := &watched{t: t, news: make(chan struct{}, 1), cancel: cancel, ended: make(chan struct{})}
	ready := make(chan struct{})
	go func() {
		defer close(w.ended)
		w.err = e.Watch(ctx, func() { close(ready) }, w.add)
	}()
	t.Cleanup(w.stop)
	select {
	case <-ready:
	case <-w.ended:
		t.Fatalf("watch ended before it was ready: %v", w.err)
	case <-bounded(t).Done():
		t.Fatal("watch is never ready")
	}
	return w
}

func (w *watched) stop() {
	w.cancel()
	<-w.ended
}

func (w *watched) add(c executor.Container) {
	w.mu.Lock()
	w.seen = append(w.seen, c)
	w.mu.Unlock()
	select {
	case w.news <- struct{}{}:
	default:
	}
}

// of returns what was told of a task so far.
func (w *watched) of(task model.ID) []executor.Container {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(w.seen), func(c executor.Container) bool { return c.TaskID != task })
}

// until waits for a change of the task that is as wanted.
func (w *watched) until(task model.ID, what string, wanted func(executor.Container) bool) executor.Container {
	w.t.Helper()
	ctx := bounded(w.t)
	for {
		for _, c := range w.of(task) {
			if wanted(c) {
				return c
			}
		}
		select {
		case <-w.news:
		case <-w.ended:
			w.t.Fatalf("watch ended (%v) while waiting for: %s", w.err, what)
		case <-ctx.Done():
			w.t.Fatalf("watch never told: %s; it told %+v", what, w.of(task))
		}
	}
}

func (w *watched) untilPhase(task model.ID, p executor.Phase) executor.Container {
	w.t.Helper()
	return w.until(task, [...]string{"created", "running", "exited", "gone"}[p], func(c executor.Container) bool { return c.Phase == p })
}
