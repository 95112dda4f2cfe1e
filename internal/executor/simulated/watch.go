package simulated

import (
	"context"
	"fmt"

	"github.com/skep-org/skep/internal/executor"
)

// watcher collects changes for one Watch. Its fields belong to the engine's lock.
type watcher struct {
	changes []executor.Container
	lost    bool
	news    chan struct{} // has room for one
}

func (w *watcher) push(c executor.Container) {
	w.changes = append(w.changes, c)
	w.ring()
}

func (w *watcher) lose() {
	w.lost = true
	w.ring()
}

func (w *watcher) ring() {
	select {
	case w.news <- struct{}{}:
	default:
	}
}

// Watch implements [executor.Executor].
func (x *Executor) Watch(ctx context.Context, ready func(), f func(executor.Container)) error {
	w := &watcher{news: make(chan struct{}, 1)}
	if !x.engine.join(w) {
		return executor.ErrUnavailable
	}
	defer x.engine.part(w)
	ready()
	for {
		wake, stop, stirred := x.engine.step()
		select {
		case <-w.news:
			stop()
		case <-wake:
		case <-stirred:
			stop()
		case <-ctx.Done():
			stop()
			return fmt.Errorf("%w: %w", executor.ErrUnavailable, ctx.Err())
		}
		changes, lost := x.engine.take(w)
		for _, c := range changes {
			f(c)
		}
		if lost {
			return executor.ErrUnavailable
		}
	}
}

func (e *Engine) join(w *watcher) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.machine.Lost() {
		return false
	}
	e.watchers[w] = struct{}{}
	return true
}

func (e *Engine) part(w *watcher) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.watchers, w)
}

func (e *Engine) take(w *watcher) (changes []executor.Container, lost bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	changes, w.changes = w.changes, nil
	return changes, w.lost
}
