package conformance

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/executor"
)

func adoptsRunning(t *testing.T, h Harness) {
	task := h.Task(t, Behaviour{})
	before := start(t, h.Executor(t), task)
	e := h.Executor(t)
	c, ok := listed(t, e, task.ID)
	if !ok || c.ID != before.ID || c.PID != before.PID || c.Phase != executor.Running {
		t.Fatalf("a new instance lists %+v, want %+v", c, before)
	}
	again, err := e.Start(bounded(t), task)
	if err != nil || again.ID != before.ID || again.PID != before.PID {
		t.Errorf("its start answered %+v, %v", again, err)
	}
	w := watch(t, h.Executor(t)) // an instance that has not listed knows the container by its events alone
	if err := h.Executor(t).Stop(bounded(t), task.ID); err != nil {
		t.Fatalf("stop by an instance that knows nothing: %v", err)
	}
	w.untilPhase(task.ID, executor.Exited)
	if err := h.Executor(t).Remove(bounded(t), task.ID); err != nil {
		t.Fatalf("remove by an instance that knows nothing: %v", err)
	}
	w.untilPhase(task.ID, executor.Gone)
}

func adoptsCreated(t *testing.T, h Harness) {
	task := h.Task(t, Behaviour{})
	before := prepare(t, h.Executor(t), task)
	if c := prepare(t, h.Executor(t), task); c.ID != before.ID {
		t.Fatalf("a new instance made container %s beside %s", c.ID, before.ID)
	}
	c, err := h.Executor(t).Start(bounded(t), task)
	if err != nil {
		t.Fatalf("start by a new instance: %v", err)
	}
	if wantPhase(t, c, executor.Running); c.ID != before.ID {
		t.Errorf("it started container %s, want %s", c.ID, before.ID)
	}
}

func watchMissesNothing(t *testing.T, h Harness) {
	e := h.Executor(t)
	w := watch(t, e)
	const n = 6
	errs := make(chan error, n)
	tasks := make([]*executor.Task, n)
	for i := range n {
		tasks[i] = h.Task(t, Behaviour{})
		go func() { errs <- live(t.Context(), e, tasks[i]) }()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	for _, task := range tasks {
		w.untilPhase(task.ID, executor.Gone)
		last, phases := executor.Created, map[executor.Phase]bool{}
		for _, c := range w.of(task.ID) {
			if c.Phase < last {
				t.Errorf("task %s goes back from phase %d to %d", task.ID, last, c.Phase)
			}
			if c.Phase == executor.Running && c.PID == 0 {
				t.Errorf("a running container is told without its process: %+v", c)
			}
			last, phases[c.Phase] = c.Phase, true
		}
		if len(phases) != 4 {
			t.Errorf("of task %s watch told %+v, want all four phases", task.ID, w.of(task.ID))
		}
	}
}

func watchEnds(t *testing.T, h Harness) {
	w := watch(t, h.Executor(t))
	w.stop()
	if !errors.Is(w.err, context.Canceled) {
		t.Errorf("watch ended with %v, want the context's error", w.err)
	}
}

func health(t *testing.T, h Harness) {
	e := h.Executor(t)
	w := watch(t, e)
	well, sick := h.Task(t, Behaviour{Check: Well}), h.Task(t, Behaviour{Check: Sick})
	for _, task := range []*executor.Task{well, sick} {
		if c := start(t, e, task); c.Health == executor.NoCheck {
			t.Errorf("start of a task with a healthcheck answered %+v", c)
		}
	}
	isHealth := func(want executor.Health) func(executor.Container) bool {
		return func(c executor.Container) bool { return c.Health == want }
	}
	if c := w.until(well.ID, "healthy", isHealth(executor.Healthy)); c.Phase != executor.Running || c.PID == 0 {
		t.Errorf("the healthy container is told as %+v", c)
	}
	if c := w.until(sick.ID, "unhealthy", isHealth(executor.Unhealthy)); c.Phase != executor.Running || c.HealthLog == "" {
		t.Errorf("the unhealthy container is told as %+v: want it running, with the check's output", c)
	}
	if c, _ := listed(t, e, sick.ID); c.Health != executor.Unhealthy {
		t.Errorf("list tells %+v", c)
	}
}

func publishedPort(t *testing.T, h Harness) {
	e, task := h.Executor(t), h.Task(t, Behaviour{Port: true})
	c := start(t, e, task)
	if len(c.Ports) != 1 || c.Ports[0].PublishedPort == 0 || c.Ports[0].PublishMode != swarm.PortConfigPublishModeHost {
		t.Fatalf("start answered with ports %+v, want the one the engine chose", c.Ports)
	}
	if l, _ := listed(t, e, task.ID); len(l.Ports) != 1 || l.Ports[0] != c.Ports[0] {
		t.Errorf("list tells ports %+v, start %+v", l.Ports, c.Ports)
	}
}

func logs(t *testing.T, h Harness) {
	e := h.Executor(t)
	w := watch(t, e)
	for _, tty := range []bool{false, true} {
		task := h.Task(t, Behaviour{Output: []string{"one", "two"}, ExitAfter: 10 * time.Millisecond, TTY: tty})
		start(t, e, task)
		w.untilPhase(task.ID, executor.Exited)
		l, err := e.Logs(bounded(t), task.ID, executor.LogOptions{Stdout: true, Stderr: true, Follow: true})
		if err != nil {
			t.Fatalf("logs: %v", err)
		}
		got, err := io.ReadAll(l)
		if closeErr := l.Close(); err != nil || closeErr != nil {
			t.Fatalf("reading logs: %v, %v", err, closeErr)
		}
		if l.TTY != tty {
			t.Errorf("logs say TTY %v, want %v", l.TTY, tty)
		}
		if !tty {
			got = unframed(t, got)
		}
		if got := string(bytes.ReplaceAll(got, []byte("\r"), nil)); got != "one\ntwo\n" {
			t.Errorf("the log is %q", got)
		}
	}
}

// unframed takes Docker's headers out: a byte for the stream, three of nothing, four for the length.
func unframed(t *testing.T, b []byte) []byte {
	t.Helper()
	var out []byte
	for len(b) > 0 {
		if len(b) < 8 || b[0] > 2 || int(binary.BigEndian.Uint32(b[4:8])) > len(b)-8 {
			t.Fatalf("the log is not in Docker's framing: %q", b)
		}
		n := int(binary.BigEndian.Uint32(b[4:8]))
		out, b = append(out, b[8:8+n]...), b[8+n:]
	}
	return out
}
