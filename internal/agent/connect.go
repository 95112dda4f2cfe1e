package agent

import (
	"context"
	"sync"
	"time"

	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/wire"
)

const (
	pauseFirst = 100 * time.Millisecond
	pauseMost  = 5 * time.Second
)

// pause waits longer each time in a row, so that many nodes do not hammer what is down.
func (a *Agent) pause(ctx context.Context, tries int) error {
	timer, stop := a.cfg.Env.NewTimer(min(pauseFirst<<min(tries, 10), pauseMost))
	defer stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer:
		return nil
	}
}

// watchEngine follows the engine's containers; after each loss they are listed anew.
func (a *Agent) watchEngine(ctx context.Context) error {
	for tries := 0; ; tries++ {
		listed, err := a.watchOnce(ctx)
		a.tell(func(time.Time) { a.machine.Lost() })
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if listed {
			tries = 0
		}
		a.cfg.Log.Warn("the container engine was lost, trying again", "error", err)
		if err := a.pause(ctx, tries); err != nil {
			return err
		}
	}
}

// watchOnce lists the containers once nothing can be missed any more, and watches until the engine is lost.
func (a *Agent) watchOnce(ctx context.Context) (listed bool, err error) {
	desc, err := a.cfg.Executor.Describe(ctx)
	if err != nil {
		return false, err
	}
	a.tell(func(time.Time) { a.machine.Describe(desc) })
	ctx, cancel := context.WithCancelCause(ctx)
	var lister sync.WaitGroup
	ready := func() {
		a.tell(func(time.Time) { a.machine.Listing() })
		// Beside the watch: a change that comes while the list is made must not wait for it.
		lister.Go(func() {
			list, err := a.cfg.Executor.List(ctx)
			if err != nil {
				cancel(err)
				return
			}
			listed = true
			a.tell(func(time.Time) { a.machine.Listed(list) })
		})
	}
	err = a.cfg.Executor.Watch(ctx, ready, func(c executor.Container) {
		a.tell(func(time.Time) { a.machine.Changed(c) })
	})
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	cancel(nil)
	lister.Wait()
	return listed, err
}

// keepSession holds a session with a manager, and opens another one when it ends.
func (a *Agent) keepSession(ctx context.Context) error {
	for tries := 0; ; tries++ {
		s, err := a.cfg.Dialer.Dial(ctx)
		if err == nil {
			nonce := a.nonce()
			a.tell(func(time.Time) { a.session = s; a.machine.Connected(nonce) })
			welcomed := a.receive(ctx, s)
			s.Close()
			a.tell(func(time.Time) { a.session = nil; a.machine.Disconnected() })
			if welcomed {
				tries = 0
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			a.cfg.Log.Debug("no manager can be reached, trying again", "error", err)
		}
		if err := a.pause(ctx, tries); err != nil {
			return err
		}
	}
}

// receive hands messages on until the session ends, and reports whether the manager had welcomed the node.
func (a *Agent) receive(ctx context.Context, s wire.Session) (welcomed bool) {
	for {
		select {
		case <-ctx.Done():
			return welcomed
		case msg, ok := <-s.Recv():
			if !ok {
				return welcomed
			}
			welcomed = welcomed || msg.GetWelcome() != nil
			if bye := msg.GetGoodbye(); bye != nil {
				a.cfg.Log.Info("the manager ended the session", "reason", bye.Text)
			}
			a.tell(func(now time.Time) { a.machine.Receive(now, msg) })
		}
	}
}
