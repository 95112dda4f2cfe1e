package remote

import (
	"context"
	"sync"
	"time"
)

// openCall is a stream that goes on.
type openCall struct {
	caller *caller
	end    context.CancelCauseFunc
}

// calls are the streams that go on.
type calls struct {
	mu   sync.Mutex
	all  map[*openCall]bool
	wake chan struct{} // holds a token when there are new ones
}

func newCalls() *calls { return &calls{all: map[*openCall]bool{}, wake: make(chan struct{}, 1)} }

func (c *calls) add(o *openCall) {
	c.mu.Lock()
	c.all[o] = true
	c.mu.Unlock()
	poke(c.wake)
}

func (c *calls) drop(o *openCall) {
	c.mu.Lock()
	delete(c.all, o)
	c.mu.Unlock()
}

func (c *calls) list() []*openCall {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]*openCall, 0, len(c.all))
	for o := range c.all {
		list = append(list, o)
	}
	return list
}

// expires is when the first certificate ends under which a stream is open; zero: there is none.
func (c *calls) expires() time.Time {
	var first time.Time
	for _, o := range c.list() {
		if at := o.caller.peer.NotAfter; first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return first
}

// expire ends the streams of certificates that end.
func (s *Server) expire(ctx context.Context) error {
	for {
		var timer <-chan time.Time
		stop := func() {}
		if at := s.calls.expires(); !at.IsZero() {
			timer, stop = s.cfg.Env.NewTimer(at.Sub(s.cfg.Env.Now()) + time.Millisecond)
		}
		select {
		case <-ctx.Done():
			stop()
			return ctx.Err()
		case <-s.calls.wake:
		case <-timer:
			s.endRefused()
		}
		stop()
	}
}

// endRefused ends the streams that may not go on.
func (s *Server) endRefused() {
	for _, o := range s.calls.list() {
		if err := s.check(o.caller); err != nil {
			o.end(err)
		}
	}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
