package agent

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/wire"
)

const (
	pauseFirst = 100 * time.Millisecond
	pauseMost  = 5 * time.Second
	// sessionPause is the longest pause between tries to find a manager: a new leader waits three times as long for
	// the nodes before it takes them for down. In a large cluster both are longer.
	sessionPause     = 2 * time.Second
	sessionPauseMost = 30 * time.Second
	// partingWait is how long an agent that ends waits for the managers to know.
	partingWait = 2 * time.Second
	// settled is how long a session has to last for the next try to come soon.
	settled = time.Second
)

// backoff is longer each time in a row, so that what is down is not hammered.
func backoff(tries int, most time.Duration) time.Duration {
	return min(pauseFirst<<min(tries, 10), most)
}

// jitter spreads the tries of many nodes that lost their manager together.
func (a *Agent) jitter(d time.Duration) time.Duration {
	return d/2 + time.Duration(a.nonce()%uint64(d))
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
		if err := a.cfg.Env.Pause(ctx, backoff(tries, pauseMost)); err != nil {
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

// keepSession holds a session with a manager, and opens another one when it ends. over is closed when the agent has
// said what it had to say.
func (a *Agent) keepSession(ctx context.Context, over <-chan struct{}) error {
	most := sessionPause
	for tries := 0; ; tries++ {
		s, err := a.cfg.Dialer.Dial(ctx)
		if err == nil {
			began := a.cfg.Env.Now()
			nonce := a.nonce()
			underlay := ""
			if a.cfg.Underlay != nil {
				underlay = a.cfg.Underlay()
			}
			a.tell(func(time.Time) {
				a.session = s
				a.machine.Reached(underlay)
				a.machine.Connected(nonce)
			})
			if period := a.receive(ctx, s); period > 0 {
				most = min(max(sessionPause, 2*period), sessionPauseMost)
			}
			if ctx.Err() != nil {
				<-over
				a.part(s)
			}
			s.Close()
			a.tell(func(time.Time) { a.session = nil; a.machine.Disconnected() })
			if a.cfg.Env.Now().Sub(began) >= settled {
				tries = 0
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			a.cfg.Log.Debug("no manager can be reached, trying again", "error", err)
		}
		if err := a.cfg.Env.Pause(ctx, a.jitter(backoff(tries, most))); err != nil {
			return err
		}
	}
}

// receive hands messages on until the session ends, and returns the heartbeat period it was told, or zero.
func (a *Agent) receive(ctx context.Context, s wire.Session) (period time.Duration) {
	for {
		select {
		case <-ctx.Done():
			return period
		case msg, ok := <-s.Recv():
			if !ok {
				return period
			}
			if w := msg.GetWelcome(); w != nil {
				period = time.Duration(w.HeartbeatPeriod)
			}
			if bye := msg.GetGoodbye(); bye != nil {
				a.cfg.Log.Info("the manager ended the session", "reason", bye.Text)
			}
			a.tell(func(now time.Time) { a.machine.Receive(now, msg) })
		}
	}
}

// farewell tells the manager that the agent ends because it was asked to.
func (a *Agent) farewell(cause error) {
	if a.session == nil {
		return
	}
	if msg := a.machine.Bye(errors.Is(cause, ErrLeaving)); msg != nil {
		a.parting = a.session.Send(msg) == nil
	}
}

// part waits until the manager has taken the agent's bye and ends the session, but not for long.
func (a *Agent) part(s wire.Session) {
	if !a.parting {
		return
	}
	late, stop := a.cfg.Env.NewTimer(partingWait)
	defer stop()
	for {
		select {
		case <-late:
			return
		case _, ok := <-s.Recv():
			if !ok {
				return
			}
		}
	}
}
