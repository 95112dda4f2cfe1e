package raft

import "context"

// watcher waits for the machine to reach a state.
type watcher struct {
	reached func(*Machine) (bool, error)
	done    chan error
}

// do runs f on the goroutine that owns the machine and returns when it has run.
func (r *Replica) do(ctx context.Context, f func()) error {
	ran := make(chan struct{})
	select {
	case r.calls <- func() { f(); close(ran) }:
		<-ran
		return nil
	case <-r.stopped:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

// await begins something and waits until it is reached.
func (r *Replica) await(ctx context.Context, begin func() error, reached func(*Machine) (bool, error)) error {
	w := &watcher{reached: reached, done: make(chan error, 1)}
	var err error
	if derr := r.do(ctx, func() {
		if err = begin(); err == nil {
			r.watchers[w] = true
		}
	}); derr != nil {
		return derr
	}
	if err != nil {
		return err
	}
	select {
	case err := <-w.done:
		return err
	case <-r.stopped:
		return ErrStopped
	case <-ctx.Done():
		forget := func() { delete(r.watchers, w) }
		if err := r.do(context.WithoutCancel(ctx), forget); err != nil {
			return err
		}
		return ctx.Err()
	}
}

// notify looks whether what callers wait for is reached.
func (r *Replica) notify() {
	for w := range r.watchers {
		if ok, err := w.reached(r.machine); ok {
			delete(r.watchers, w)
			w.done <- err
		}
	}
}
