package conformance

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/skep-org/skep/internal/executor"
)

func exitCodes(t *testing.T, h Harness) {
	e := h.Executor(t)
	w := watch(t, e)
	for _, code := range []int{0, 3, 255} {
		task := h.Task(t, Behaviour{ExitAfter: 10 * time.Millisecond, ExitCode: code})
		start(t, e, task)
		if c := w.untilPhase(task.ID, executor.Exited); c.ExitCode != code || c.OOMKilled {
			t.Errorf("watch tells %+v, want exit code %d", c, code)
		}
		if c, _ := listed(t, e, task.ID); c.Phase != executor.Exited || c.ExitCode != code {
			t.Errorf("list tells %+v, want exit code %d", c, code)
		}
	}
}

func runsOnce(t *testing.T, h Harness) {
	e, task := h.Executor(t), h.Task(t, Behaviour{})
	start(t, e, task)
	if err := e.Stop(bounded(t), task.ID); err != nil {
		t.Fatalf("stop: %v", err)
	}
	c, err := e.Start(bounded(t), task)
	if err != nil {
		t.Fatalf("start of an exited task: %v", err)
	}
	wantPhase(t, c, executor.Exited)
	wantPhase(t, prepare(t, e, task), executor.Exited)
	c, err = h.Executor(t).Start(bounded(t), task)
	if err != nil {
		t.Fatalf("start of an exited task by a new instance: %v", err)
	}
	wantPhase(t, c, executor.Exited)
}

func stopWilling(t *testing.T, h Harness) {
	e, task := h.Executor(t), h.Task(t, Behaviour{Grace: limit})
	start(t, e, task)
	if err := e.Stop(bounded(t), task.ID); err != nil {
		t.Fatalf("stop: %v", err) // which it is, if it takes the whole grace period
	}
	if c, _ := listed(t, e, task.ID); c.Phase != executor.Exited || c.ExitCode != 0 {
		t.Errorf("list tells %+v, want exit code 0", c)
	}
}

func stopKills(t *testing.T, h Harness) {
	const grace = time.Second
	e, task := h.Executor(t), h.Task(t, Behaviour{StopTakes: limit, Grace: grace})
	start(t, e, task)
	begun := time.Now()
	if err := e.Stop(bounded(t), task.ID); err != nil {
		t.Fatalf("stop: %v", err)
	}
	c, _ := listed(t, e, task.ID)
	if c.ExitCode == tooEarly {
		stopKills(t, h)
		return
	}
	if took := time.Since(begun); took < grace {
		t.Errorf("stop took %v, less than the grace period of %v", took, grace)
	}
	if c.Phase != executor.Exited || c.ExitCode != 137 {
		t.Errorf("list tells %+v, want exit code 137", c)
	}
}

// tooEarly is how a fixture ends whose stop signal came before its program had begun: the case is no case then.
const tooEarly = 2

func stopCancelled(t *testing.T, h Harness) {
	e, task := h.Executor(t), h.Task(t, Behaviour{StopTakes: limit, Grace: limit})
	start(t, e, task)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := e.Stop(ctx, task.ID)
	if !errors.Is(err, executor.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("stop: %v, want ErrUnavailable and the context's error", err)
	}
}

func noImage(t *testing.T, h Harness) {
	e, task := h.Executor(t), h.Task(t, Behaviour{NoImage: true})
	_, err := e.Prepare(bounded(t), task)
	ownFault(t, err)
	if c, ok := listed(t, e, task.ID); ok {
		t.Errorf("list tells %+v", c)
	}
	if err := e.Remove(bounded(t), task.ID); err != nil {
		t.Errorf("remove: %v", err)
	}
}

func noProgram(t *testing.T, h Harness) {
	e, task := h.Executor(t), h.Task(t, Behaviour{NoProgram: true})
	prepare(t, e, task)
	_, err := e.Start(bounded(t), task)
	ownFault(t, err)
	if c, ok := listed(t, e, task.ID); !ok || c.Phase == executor.Running || c.PID != 0 {
		t.Errorf("list tells %+v, want a container that does not run", c)
	}
}

func manyAtOnce(t *testing.T, h Harness) {
	e := h.Executor(t)
	const n = 8
	errs := make(chan error, n)
	for range n {
		task := h.Task(t, Behaviour{})
		go func() { errs <- live(t.Context(), e, task) }()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// live leads one task through all of its life.
func live(ctx context.Context, e executor.Executor, task *executor.Task) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if _, err := e.Prepare(ctx, task); err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	c, err := e.Start(ctx, task)
	if err != nil {
		return fmt.Errorf("start: %w", err)
	}
	if c.Phase != executor.Running || c.TaskID != task.ID {
		return fmt.Errorf("start of task %s answered %+v", task.ID, c)
	}
	if err := e.Stop(ctx, task.ID); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	if err := e.Remove(ctx, task.ID); err != nil {
		return fmt.Errorf("remove: %w", err)
	}
	return nil
}
