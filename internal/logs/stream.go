package logs

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/skep-org/skep/internal/model"
)

// Source is where the output of tasks comes from.
type Source interface {
	// Logs opens the output of the tasks selected. It ends with io.EOF when nothing more can come; with Follow
	// tasks that begin later are in it too.
	Logs(ctx context.Context, sel Selector, opts Options) (Stream, error)
}

// Selector names one task, or all of a service.
type Selector struct {
	Service, Task model.ID // one of them is zero
}

// Options are Docker's.
type Options struct {
	Stdout, Stderr, Follow bool
	Since, Until           time.Time // zero: no bound
	Tail                   int       // of each task; -1: all
}

// Stream yields messages.
type Stream interface {
	// Next blocks until there is a message, the stream ends (io.EOF), or ctx does.
	Next(ctx context.Context) (Message, error)
	Close() error
}

// Message is one line, or a part of one that is too long, with its newline.
type Message struct {
	Task, Service, Node model.ID
	Time                time.Time
	Stderr              bool
	Attrs               map[string]string // the log driver's own details
	Data                []byte
	Err                 error // instead of Data: why a task's output cannot be had
}

// stream is a Stream that goroutines feed; cancel ends them, done is closed when they have ended.
type stream struct {
	messages chan Message
	cancel   context.CancelFunc
	done     chan struct{}
}

func (s *stream) Next(ctx context.Context) (Message, error) {
	select {
	case m, ok := <-s.messages:
		if !ok {
			return Message{}, io.EOF
		}
		return m, nil
	case <-ctx.Done():
		return Message{}, ctx.Err()
	}
}

func (s *stream) Close() error {
	s.cancel()
	<-s.done
	return nil
}

// put hands a message on unless the stream is closed.
func (s *stream) put(ctx context.Context, m Message) error {
	select {
	case s.messages <- m:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ended reports whether err is the ordinary end of a container's output.
func ended(err error) bool {
	return err == nil || errors.Is(err, io.EOF) || errors.Is(err, context.Canceled)
}
