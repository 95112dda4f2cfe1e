package conformance

import (
	"errors"
	"testing"

	"github.com/skep-org/skep/internal/executor"
)

func wholeLife(t *testing.T, h Harness) {
	e, task := h.Executor(t), h.Task(t, Behaviour{})
	wantPhase(t, prepare(t, e, task), executor.Created)
	c, err := e.Start(bounded(t), task)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	wantPhase(t, c, executor.Running)
	if c.PID == 0 || c.TaskID != task.ID {
		t.Errorf("start answered %+v: it lacks the process or the task", c)
	}
	if l, ok := listed(t, e, task.ID); !ok || l.ID != c.ID || l.PID != c.PID || l.Phase != executor.Running {
		t.Errorf("list tells %+v, start told %+v", l, c)
	}
	if err := e.Stop(bounded(t), task.ID); err != nil {
		t.Fatalf("stop: %v", err)
	}
	if l, ok := listed(t, e, task.ID); !ok || l.Phase != executor.Exited || l.PID != 0 || l.ExitCode != 0 {
		t.Errorf("after stop, list tells %+v", l)
	}
	if err := e.Remove(bounded(t), task.ID); err != nil {
		t.Fatalf("remove: %v", err)
	}
	if l, ok := listed(t, e, task.ID); ok {
		t.Errorf("after remove, list still tells %+v", l)
	}
}

func repeated(t *testing.T, h Harness) {
	e, task := h.Executor(t), h.Task(t, Behaviour{})
	first := prepare(t, e, task)
	if again := prepare(t, e, task); again.ID != first.ID {
		t.Errorf("prepare made a second container: %s after %s", again.ID, first.ID)
	}
	running := start(t, e, task)
	again, err := e.Start(bounded(t), task)
	if err != nil || again.ID != first.ID || again.PID != running.PID {
		t.Errorf("the second start answered %+v, %v; the first %+v", again, err, running)
	}
	if c := prepare(t, e, task); c.ID != first.ID || c.Phase != executor.Running {
		t.Errorf("preparing a running task answered %+v", c)
	}
	for range 2 {
		if err := e.Stop(bounded(t), task.ID); err != nil {
			t.Errorf("stop: %v", err)
		}
	}
	for range 2 {
		if err := e.Remove(bounded(t), task.ID); err != nil {
			t.Errorf("remove: %v", err)
		}
	}
	if c := prepare(t, e, task); c.ID == first.ID {
		t.Error("after remove, prepare answered with the container that was removed")
	}
}

func noContainer(t *testing.T, h Harness) {
	e, task := h.Executor(t), h.Task(t, Behaviour{})
	if _, err := e.Start(bounded(t), task); !errors.Is(err, executor.ErrNoContainer) {
		t.Errorf("start: %v, want ErrNoContainer", err)
	}
	if err := e.Stop(bounded(t), task.ID); !errors.Is(err, executor.ErrNoContainer) {
		t.Errorf("stop: %v, want ErrNoContainer", err)
	}
	if _, err := e.Logs(bounded(t), task.ID, executor.LogOptions{Stdout: true}); !errors.Is(err, executor.ErrNoContainer) {
		t.Errorf("logs: %v, want ErrNoContainer", err)
	}
	if err := e.Remove(bounded(t), task.ID); err != nil {
		t.Errorf("remove: %v, want no error", err)
	}
}

func stopCreated(t *testing.T, h Harness) {
	e, task := h.Executor(t), h.Task(t, Behaviour{})
	prepare(t, e, task)
	if err := e.Stop(bounded(t), task.ID); err != nil {
		t.Fatalf("stop: %v", err)
	}
	if c, ok := listed(t, e, task.ID); !ok || c.Phase != executor.Created {
		t.Fatalf("list tells %+v, want a created container", c)
	}
	c, err := e.Start(bounded(t), task)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	wantPhase(t, c, executor.Running)
}

func removeRunning(t *testing.T, h Harness) {
	e, task := h.Executor(t), h.Task(t, Behaviour{StopTakes: limit})
	w := watch(t, e)
	c := start(t, e, task)
	if err := e.Remove(bounded(t), task.ID); err != nil {
		t.Fatalf("remove: %v", err)
	}
	if l, ok := listed(t, e, task.ID); ok {
		t.Errorf("list still tells %+v", l)
	}
	if gone := w.untilPhase(task.ID, executor.Gone); gone.ID != c.ID {
		t.Errorf("container %s is told to be gone, want %s", gone.ID, c.ID)
	}
}

func describe(t *testing.T, h Harness) {
	d, err := h.Executor(t).Describe(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	if d.Hostname == "" || d.Platform.OS == "" || d.Platform.Architecture == "" || d.Engine.EngineVersion == "" {
		t.Errorf("the description lacks a name, the platform or the engine's version: %+v", d)
	}
	if d.Resources.NanoCPUs <= 0 || d.Resources.MemoryBytes <= 0 {
		t.Errorf("the description has no resources: %+v", d.Resources)
	}
}
