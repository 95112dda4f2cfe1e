package simulated

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/model"
)

// Engine is a machine that several executors use, as several processes use one engine, one after the other.
type Engine struct {
	clock env.Clock

	mu       sync.Mutex
	machine  *Machine
	waiting  map[*Op]chan Event
	watchers map[*watcher]struct{}
	stirred  chan struct{} // closed and replaced when something new may be due
}

// NewEngine makes an engine in the world w.
func NewEngine(w env.Env, config Config) *Engine {
	return &Engine{
		clock: w.Clock, machine: NewMachine(w, config), waiting: map[*Op]chan Event{},
		watchers: map[*watcher]struct{}{}, stirred: make(chan struct{}),
	}
}

// Do lets f change the machine, for instance to crash a container.
func (e *Engine) Do(f func(m *Machine, now time.Time)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f(e.machine, e.clock.Now())
	if e.machine.Lost() {
		for w := range e.watchers {
			w.lose()
		}
		clear(e.watchers)
	}
	e.stir()
}

// Executor is one user of the engine.
func (e *Engine) Executor() *Executor { return &Executor{engine: e} }

// stir wakes those who wait, so that they look again for what is due. The lock is held.
func (e *Engine) stir() {
	close(e.stirred)
	e.stirred = make(chan struct{})
}

// step hands out what is due. Nobody but those who wait drives the machine: there is no goroutine of its own.
func (e *Engine) step() (wake <-chan time.Time, stop func(), stirred <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, event := range e.machine.Due(e.clock.Now()) {
		if event.Op == nil {
			for w := range e.watchers {
				w.push(event.Container)
			}
		} else if c := e.waiting[event.Op]; c != nil {
			delete(e.waiting, event.Op)
			c <- event // has room for the one event it gets
		}
	}
	next, ok := e.machine.Next()
	if !ok {
		return nil, func() {}, e.stirred
	}
	wake, stop = e.clock.NewTimer(next.Sub(e.clock.Now()))
	return wake, stop, e.stirred
}

// run submits an operation and waits for its end.
func (e *Engine) run(ctx context.Context, op *Op) (executor.Container, error) {
	done := make(chan Event, 1)
	e.mu.Lock()
	e.waiting[op] = done
	e.machine.Submit(op, e.clock.Now())
	e.stir()
	e.mu.Unlock()
	for {
		wake, stop, stirred := e.step()
		select {
		case event := <-done:
			stop()
			return event.Container, event.Err
		case <-ctx.Done():
			stop()
			e.mu.Lock()
			delete(e.waiting, op)
			e.mu.Unlock()
			return executor.Container{}, fmt.Errorf("%w: %w", executor.ErrUnavailable, ctx.Err())
		case <-wake:
		case <-stirred:
			stop()
		}
	}
}

// Executor implements [executor.Executor].
type Executor struct{ engine *Engine }

var _ executor.Executor = (*Executor)(nil)

// Describe implements [executor.Executor].
func (x *Executor) Describe(context.Context) (swarm.NodeDescription, error) {
	x.engine.mu.Lock()
	defer x.engine.mu.Unlock()
	if x.engine.machine.Lost() {
		return swarm.NodeDescription{}, executor.ErrUnavailable
	}
	return x.engine.machine.config.Node, nil
}

// List implements [executor.Executor].
func (x *Executor) List(context.Context) ([]executor.Container, error) {
	_, stop, _ := x.engine.step()
	stop()
	x.engine.mu.Lock()
	defer x.engine.mu.Unlock()
	return x.engine.machine.List()
}

// Prepare implements [executor.Executor].
func (x *Executor) Prepare(ctx context.Context, t *executor.Task) (executor.Container, error) {
	return x.engine.run(ctx, &Op{Kind: Prepare, ID: t.ID, Task: t})
}

// Start implements [executor.Executor].
func (x *Executor) Start(ctx context.Context, t *executor.Task) (executor.Container, error) {
	return x.engine.run(ctx, &Op{Kind: Start, ID: t.ID, Task: t})
}

// Stop implements [executor.Executor].
func (x *Executor) Stop(ctx context.Context, task model.ID) error {
	_, err := x.engine.run(ctx, &Op{Kind: Stop, ID: task})
	return err
}

// Remove implements [executor.Executor].
func (x *Executor) Remove(ctx context.Context, task model.ID) error {
	_, err := x.engine.run(ctx, &Op{Kind: Remove, ID: task})
	return err
}
