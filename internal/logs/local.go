package logs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// Local is the output of the tasks on one node. It implements [Source].
type Local struct {
	Node     model.ID
	Executor executor.Executor
	Store    *store.Store
}

var _ Source = Local{}

// Logs implements [Source].
func (l Local) Logs(ctx context.Context, sel Selector, opts Options) (Stream, error) {
	ctx, cancel := context.WithCancel(ctx)
	s := &stream{messages: make(chan Message, 64), cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		defer close(s.messages)
		l.gather(ctx, s, sel, opts)
	}()
	return s, nil
}

// gather follows the selected tasks: those there are, and when following those that come.
func (l Local) gather(ctx context.Context, s *stream, sel Selector, opts Options) {
	var readers sync.WaitGroup
	defer readers.Wait()
	begun := map[model.ID]bool{}
	for {
		changed := l.Store.Changed()
		view := l.Store.View()
		tasks := selected(view, sel)
		for _, t := range tasks {
			if begun[t.ID] || !l.has(view, t) {
				continue
			}
			begun[t.ID] = true
			readers.Go(func() { l.read(ctx, s, t, opts) })
		}
		if !opts.Follow || len(tasks) == 0 || begun[sel.Task] {
			return // one task's output ends with its container
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

func selected(v store.View, sel Selector) []*model.Task {
	if !sel.Task.IsZero() {
		if t := store.Tasks.ByID(v, sel.Task); t != nil {
			return []*model.Task{t}
		}
		return nil
	}
	var out []*model.Task
	for t := range store.TasksOf(v, sel.Service) {
		out = append(out, t)
	}
	if len(out) == 0 && store.Services.ByID(v, sel.Service) != nil {
		return []*model.Task{{}} // a service without tasks may get some
	}
	return out
}

// has reports whether a task has a container on this node.
func (l Local) has(v store.View, t *model.Task) bool {
	p := store.Placements.ByID(v, t.ID)
	st := store.Statuses.ByID(v, t.ID)
	return p != nil && p.NodeID == l.Node && st != nil && st.Container != [32]byte{} && st.State >= model.StateStarting
}

func (l Local) read(ctx context.Context, s *stream, t *model.Task, opts Options) {
	if err := l.copy(ctx, s, t, opts); !ended(err) && !errors.Is(err, executor.ErrNoContainer) {
		m := Message{Task: t.ID, Service: t.ServiceID, Node: l.Node, Stderr: true}
		m.Err = fmt.Errorf("the logs of task %s on this node cannot be read: %w", t.ID, err)
		_ = s.put(ctx, m) // fails only when nobody listens any more
	}
}

func (l Local) copy(ctx context.Context, s *stream, t *model.Task, opts Options) error {
	tail := "all"
	if opts.Tail >= 0 {
		tail = strconv.Itoa(opts.Tail)
	}
	out, err := l.Executor.Logs(ctx, t.ID, executor.LogOptions{
		Stdout: opts.Stdout, Stderr: opts.Stderr, Follow: opts.Follow, Timestamps: true, Details: true,
		Since: opts.Since, Until: opts.Until, Tail: tail,
	})
	if err != nil {
		return err
	}
	defer out.Close()
	defer context.AfterFunc(ctx, func() { out.Close() })()
	r := lines{r: bufio.NewReader(out), tty: out.TTY}
	for {
		data, stderr, err := r.next()
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return err
		}
		m := Message{Task: t.ID, Service: t.ServiceID, Node: l.Node, Stderr: stderr}
		m.Time, m.Attrs, m.Data = parse(data)
		if err := s.put(ctx, m); err != nil {
			return err
		}
	}
}
