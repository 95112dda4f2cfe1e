package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"sync"

	"github.com/skep-org/skep/internal/lab/differential/side"
)

// containers is what the engine's events say is there.
type containers struct {
	mu      sync.Mutex
	image   map[string]string // every container that exists, by id
	running map[string]bool
	changed chan struct{} // closed and renewed at each change
	err     error
	ended   chan struct{} // closed when nothing is followed any more
}

// count is a moment's picture.
type count struct {
	all     int
	running map[string]int // by image
}

// event is the part of an engine's event that matters here.
type event struct {
	Action string
	Actor  struct {
		ID         string
		Attributes map[string]string
	}
}

// watch follows the engine's container events until the context ends.
func watch(ctx context.Context, engine *side.Side) (*containers, error) {
	filters := url.QueryEscape(`{"type":["container"],"event":["create","start","die","destroy"]}`)
	body, err := engine.Stream(ctx, "/events?filters="+filters)
	if err != nil {
		return nil, fmt.Errorf("watching the engine's containers: %w", err)
	}
	c := &containers{image: map[string]string{}, running: map[string]bool{}, changed: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(c.ended)
		defer func() { _ = body.Close() }()
		dec := json.NewDecoder(body)
		for {
			var e event
			err := dec.Decode(&e)
			c.apply(e, err)
			if err != nil {
				return
			}
		}
	}()
	return c, nil
}

func (c *containers) apply(e event, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
	switch e.Action {
	case "create":
		c.image[e.Actor.ID] = e.Actor.Attributes["image"]
	case "start":
		c.running[e.Actor.ID] = true
	case "die":
		delete(c.running, e.Actor.ID)
	case "destroy":
		delete(c.running, e.Actor.ID)
		delete(c.image, e.Actor.ID)
	}
	close(c.changed)
	c.changed = make(chan struct{})
}

// until waits until the picture is the one wanted.
func (c *containers) until(ctx context.Context, want func(count) bool) error {
	for {
		now, changed, err := c.look()
		if want(now) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the engine's events ended: %w", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("gave up with %d containers, running %v: %w", now.all, now.running, ctx.Err())
		case <-changed:
		}
	}
}

func (c *containers) look() (count, <-chan struct{}, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := count{all: len(c.image), running: map[string]int{}}
	for id := range c.running {
		now.running[c.image[id]]++
	}
	return now, c.changed, c.err
}
