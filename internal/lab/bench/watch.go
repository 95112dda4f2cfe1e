package bench

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"sync"

	"github.com/moby/moby/client"

	"github.com/skep-org/skep/internal/lab/differential/side"
	"github.com/skep-org/skep/internal/lab/hosts"
)

// containers is what engines' events say is there.
type containers struct {
	mu      sync.Mutex
	image   map[string]string // every container that exists, by id
	running map[string]string // the host of each that runs, by id
	changed chan struct{}     // closed and renewed at each change
	err     error
	ended   chan struct{} // closed when nothing is followed any more
}

// count is a moment's picture.
type count struct {
	all     int
	running map[string]int // by image
	on      map[string]int // those that run, by host
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
	c := newContainers()
	go func() {
		defer close(c.ended)
		defer func() { _ = body.Close() }()
		dec := json.NewDecoder(body)
		for {
			var e event
			err := dec.Decode(&e)
			c.apply("", e, err)
			if err != nil {
				return
			}
		}
	}()
	return c, nil
}

// watchHosts follows the container events of all of these hosts' engines until the context ends.
func watchHosts(ctx context.Context, all []*hosts.Host) *containers {
	c := newContainers()
	var followers sync.WaitGroup
	filters := client.Filters{}.Add("type", "container").Add("event", "create", "start", "die", "destroy")
	for _, h := range all {
		stream := h.Engine().Events(ctx, client.EventsListOptions{Filters: filters})
		followers.Go(func() {
			for {
				select {
				case m := <-stream.Messages:
					e := event{Action: string(m.Action)}
					e.Actor.ID, e.Actor.Attributes = m.Actor.ID, m.Actor.Attributes
					c.apply(h.Name, e, nil)
				case err := <-stream.Err:
					c.apply(h.Name, event{}, cmp.Or(err, io.EOF))
					return
				}
			}
		})
	}
	go func() {
		defer close(c.ended)
		followers.Wait()
	}()
	return c
}

func newContainers() *containers {
	return &containers{image: map[string]string{}, running: map[string]string{}, changed: make(chan struct{}), ended: make(chan struct{})}
}

func (c *containers) apply(host string, e event, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = cmp.Or(c.err, err)
	switch e.Action {
	case "create":
		c.image[e.Actor.ID] = e.Actor.Attributes["image"]
	case "start":
		c.running[e.Actor.ID] = host
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
	now := count{all: len(c.image), running: map[string]int{}, on: map[string]int{}}
	for id, host := range c.running {
		now.running[c.image[id]]++
		now.on[host]++
	}
	return now, c.changed, c.err
}
