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
	mu    sync.Mutex
	all   map[*openCall]bool
	first time.Time     // no certificate of any of them ends before; zero: there is none
	wake  chan struct{} // holds a token when first has become earlier
}

func newCalls() *calls { return &calls{all: map[*openCall]bool{}, wake: make(chan struct{}, 1)} }

func (c *calls) add(o *openCall) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all[o] = true
	if at := o.caller.peer.NotAfter; c.first.IsZero() || at.Before(c.first) {
		c.first = at
		poke(c.wake)
	}
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

// expires is when to look for certificates that have ended; zero: never. That of a stream which is over by then may be among
// them: ten thousand that come at once are not to be gone through for each that comes.
func (c *calls) expires() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.first
}

// looked says that those whose certificates have ended were told so: what is next is looked for among all.
func (c *calls) looked() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.first = time.Time{}
	for o := range c.all {
		if at := o.caller.peer.NotAfter; c.first.IsZero() || at.Before(c.first) {
			c.first = at
		}
	}
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
			s.calls.looked()
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
