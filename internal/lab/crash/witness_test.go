package crash

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"

	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/lab/engine"
)

// witness sees every container the engine creates, starts and ends, whether skep runs or not.
type witness struct {
	mu      sync.Mutex
	creates map[string]int // by task id
	starts  map[string]int
	touched map[string][]string // by service's name: what happened to its containers
	err     error
}

// watch sees all that happens from now to the test's end.
func watch(t *testing.T, e *engine.Engine) *witness {
	t.Helper()
	w := &witness{creates: map[string]int{}, starts: map[string]int{}, touched: map[string][]string{}}
	ctx, cancel := context.WithCancel(context.Background())
	stream := e.Client().Events(ctx, client.EventsListOptions{
		Filters: client.Filters{}.Add("label", executor.LabelTaskID).Add("type", string(events.ContainerEventType)),
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case m := <-stream.Messages:
				w.saw(m)
			case err := <-stream.Err:
				w.mu.Lock()
				defer w.mu.Unlock()
				if ctx.Err() == nil {
					w.err = fmt.Errorf("the engine's events ended: %w", err)
				}
				return
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return w
}

func (w *witness) saw(m events.Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	task, service := m.Actor.Attributes[executor.LabelTaskID], m.Actor.Attributes[executor.LabelServiceName]
	switch m.Action {
	case events.ActionCreate:
		w.creates[task]++
	case events.ActionStart:
		w.starts[task]++
	}
	switch m.Action {
	case events.ActionCreate, events.ActionStart, events.ActionDie, events.ActionKill, events.ActionStop, events.ActionDestroy:
		w.touched[service] = append(w.touched[service], fmt.Sprintf("%s %s", m.Action, m.Actor.Attributes["name"]))
	}
}

// forget starts a service's record anew.
func (w *witness) forget(service string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.touched, service)
}

// complaints are what broke a promise: a task with two containers or starts, a container touched of a service that
// was to be left alone.
func (w *witness) complaints(untouched ...string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	if w.err != nil {
		out = append(out, w.err.Error())
	}
	for task, n := range w.creates {
		if n > 1 {
			out = append(out, fmt.Sprintf("task %s got %d containers", task, n))
		}
	}
	for task, n := range w.starts {
		if n > 1 {
			out = append(out, fmt.Sprintf("task %s was started %d times", task, n))
		}
	}
	for _, name := range untouched {
		for _, what := range w.touched[name] {
			out = append(out, fmt.Sprintf("service %s was to be left alone: %s", name, what))
		}
	}
	return out
}

func (w *witness) counts() (creates, starts int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.creates), len(w.starts)
}
