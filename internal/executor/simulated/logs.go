package simulated

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/model"
)

// Logs implements [executor.Executor] with the behaviour's output, all of it written to standard output at the start.
// Of the options only Stdout counts; the stream ends at once even when following.
func (x *Executor) Logs(_ context.Context, task model.ID, o executor.LogOptions) (executor.Logs, error) {
	x.engine.mu.Lock()
	defer x.engine.mu.Unlock()
	if x.engine.machine.Lost() {
		return executor.Logs{}, executor.ErrUnavailable
	}
	b := x.engine.machine.containers[task]
	if b == nil {
		return executor.Logs{}, fmt.Errorf("logs of task %s: %w", task, executor.ErrNoContainer)
	}
	tty := containerSpec(b.task).TTY
	out := new(bytes.Buffer)
	if o.Stdout && b.Phase != executor.Created {
		for _, line := range b.behave.Output {
			if !tty {
				frame := [8]byte{0: 1}
				binary.BigEndian.PutUint32(frame[4:], uint32(len(line)+1))
				out.Write(frame[:])
			}
			out.WriteString(line + "\n")
		}
	}
	return executor.Logs{ReadCloser: io.NopCloser(out), TTY: tty}, nil
}
