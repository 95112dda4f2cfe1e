package logs

import (
	"errors"
	"fmt"
	"time"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/wire"
)

// frameOf is a message as it travels from a node to a manager.
func frameOf(m Message) *wire.RelayFrame {
	line := &wire.LogLine{TaskId: wire.Bytes(m.Task), Stderr: m.Stderr, Data: m.Data, Attrs: m.Attrs}
	if !m.Time.IsZero() {
		line.Time = m.Time.UnixNano()
	}
	f := &wire.RelayFrame{Line: line}
	if m.Err != nil {
		f.Error = m.Err.Error()
	}
	return f
}

// messageOf reads a frame that has a line.
func messageOf(f *wire.RelayFrame) (Message, error) {
	task, err := wire.ID(f.Line.TaskId)
	if err != nil {
		return Message{}, fmt.Errorf("a line of a node's output: %w", err)
	}
	m := Message{Task: task, Stderr: f.Line.Stderr, Data: f.Line.Data, Attrs: f.Line.Attrs}
	if f.Line.Time != 0 {
		m.Time = time.Unix(0, f.Line.Time).UTC()
	}
	if f.Error != "" {
		m.Err = errors.New(f.Error)
	}
	return m, nil
}

// requestOf is a request for output as it travels to a node.
func requestOf(stream model.ID, tasks []model.ID, opts Options) *wire.OpenLogs {
	req := &wire.OpenLogs{
		StreamId: wire.Bytes(stream), Stdout: opts.Stdout, Stderr: opts.Stderr, Follow: opts.Follow,
		Since: nanos(opts.Since), Until: nanos(opts.Until), Tail: int64(opts.Tail),
	}
	for _, id := range tasks {
		req.Tasks = append(req.Tasks, wire.Bytes(id))
	}
	return req
}

// optionsOf undoes requestOf.
func optionsOf(req *wire.OpenLogs) (tasks []model.ID, opts Options, err error) {
	for _, b := range req.Tasks {
		id, err := wire.ID(b)
		if err != nil {
			return nil, opts, fmt.Errorf("a task whose output was asked for: %w", err)
		}
		tasks = append(tasks, id)
	}
	return tasks, Options{
		Stdout: req.Stdout, Stderr: req.Stderr, Follow: req.Follow, Since: atNanos(req.Since), Until: atNanos(req.Until), Tail: int(req.Tail),
	}, nil
}

func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func atNanos(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}
