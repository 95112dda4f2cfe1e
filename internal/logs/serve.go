package logs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/wire"
)

// idleFrame is how often a silent node sends an empty frame: that is how it notices that nobody reads any more.
const idleFrame = 15 * time.Second

// Sink takes a node's output to the manager that asked for it.
type Sink interface {
	// Send returns when the reader has room for the frame. io.EOF means that it wants no more.
	Send(*wire.RelayFrame) error
	// Close ends the stream; after the last frame it waits until all were taken.
	Close() error
}

// Serve sends the output of this node's tasks until there is no more of it, the reader wants no more or ctx ends. It
// holds one message of each container that it reads. It does not close the sink.
func Serve(ctx context.Context, x executor.Executor, clock env.Clock, req *wire.OpenLogs, sink Sink) error {
	tasks, opts, err := optionsOf(req)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var readers sync.WaitGroup
	defer readers.Wait()
	defer cancel()
	err = forward(ctx, clock, readAll(ctx, x, &readers, tasks, opts), sink)
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// readAll reads containers beside each other; the channel is closed when all have ended.
func readAll(ctx context.Context, x executor.Executor, readers *sync.WaitGroup, tasks []model.ID, opts Options) <-chan Message {
	messages := make(chan Message)
	put := func(m Message) error {
		select {
		case messages <- m:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	width := atOnce
	if opts.Follow {
		width = len(tasks) // each of them goes on
	}
	room := make(chan struct{}, max(width, 1))
	var all sync.WaitGroup
	for _, id := range tasks {
		all.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			if err := read(ctx, x, id, opts, put); !ended(err) && !errors.Is(err, executor.ErrNoContainer) {
				_ = put(Message{Task: id, Stderr: true, Err: fmt.Errorf("the logs of task %s cannot be read: %w", id, err)})
			}
		})
	}
	readers.Go(func() {
		all.Wait()
		close(messages)
	})
	return messages
}

func forward(ctx context.Context, clock env.Clock, messages <-chan Message, sink Sink) error {
	for {
		idle, stop := clock.NewTimer(idleFrame)
		var err error
		select {
		case m, ok := <-messages:
			if !ok && ctx.Err() == nil {
				stop()
				return sink.Send(&wire.RelayFrame{End: true})
			}
			if ok {
				err = sink.Send(frameOf(m))
			} else {
				err = ctx.Err()
			}
		case <-idle:
			err = sink.Send(&wire.RelayFrame{})
		case <-ctx.Done():
			err = ctx.Err()
		}
		stop()
		if err != nil {
			return err
		}
	}
}
