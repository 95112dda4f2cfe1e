package docker

import (
	"context"
	"fmt"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/client"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/model"
)

// Logs implements [executor.Executor].
func (e *Executor) Logs(ctx context.Context, task model.ID, o executor.LogOptions) (executor.Logs, error) {
	what := "logs of task " + task.String()
	c, err := e.find(ctx, task)
	if err != nil {
		return executor.Logs{}, failed(what, err)
	}
	_, raw, err := e.inspect(ctx, c.ID)
	if cerrdefs.IsNotFound(err) {
		e.known.forget(task, c.ID)
		return executor.Logs{}, fmt.Errorf("%s: %w", what, executor.ErrNoContainer)
	}
	if err != nil {
		return executor.Logs{}, failed(what, err)
	}
	stream, err := e.api.ContainerLogs(ctx, c.ID, client.ContainerLogsOptions{
		ShowStdout: o.Stdout, ShowStderr: o.Stderr, Follow: o.Follow, Timestamps: o.Timestamps, Details: o.Details,
		Since: stamp(o.Since), Until: stamp(o.Until), Tail: o.Tail,
	})
	if err != nil {
		return executor.Logs{}, failed(what, called(err))
	}
	return executor.Logs{ReadCloser: stream, TTY: raw.Config.Tty}, nil
}

// stamp is a time as the engine wants it.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return fmt.Sprintf("%d.%09d", t.Unix(), t.Nanosecond())
}
