package scale

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/env"
	"golang.org/x/sync/errgroup"
)

// user asks a manager's API over its socket.
type user struct{ http *http.Client }

func newUser(socket string) *user {
	return &user{&http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
	}}}
}

func (u *user) close() { u.http.CloseIdleConnections() }

// call asks, and reads the answer to its end; into data unless that is nil.
func (u *user) call(ctx context.Context, method, path string, body, data any) error {
	var in io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return err
		}
		in = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://skep/v1.41"+path, in)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := u.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, bytes.TrimSpace(raw))
	}
	if data == nil {
		return nil
	}
	return json.Unmarshal(raw, data)
}

// create makes a service and returns its id.
func (u *user) create(ctx context.Context, name string, replicas int) (string, error) {
	n := uint64(replicas)
	spec := swarm.ServiceSpec{
		Annotations:  swarm.Annotations{Name: name},
		Mode:         swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &n}},
		TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Image: "example.org/load:1"}},
	}
	var made struct{ ID string }
	err := u.call(ctx, http.MethodPost, "/services/create", spec, &made)
	return made.ID, err
}

// createAll makes services, some at a time.
func (u *user) createAll(ctx context.Context, replicas []int) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for i, n := range replicas {
		g.Go(func() error {
			_, err := u.create(ctx, fmt.Sprintf("load-%05d", i), n)
			return err
		})
	}
	return g.Wait()
}

// prober asks the same few things over and over, and keeps how long the answers took.
type prober struct {
	user *user
	stop context.CancelFunc
	done chan struct{}

	mu    sync.Mutex
	times map[string][]time.Duration
	err   error
}

// probePause is between one round of questions and the next.
const probePause = 500 * time.Millisecond

// probe begins to ask: for all services, for one, and to create one without tasks.
func probe(ctx context.Context, u *user) *prober {
	ctx, stop := context.WithCancel(ctx)
	p := &prober{user: u, stop: stop, done: make(chan struct{}), times: map[string][]time.Duration{}}
	go func() {
		defer close(p.done)
		for n := 0; ctx.Err() == nil; n++ {
			if err := p.round(ctx, n); err != nil && ctx.Err() == nil {
				p.mu.Lock()
				p.err = err
				p.mu.Unlock()
				return
			}
			_ = env.Real().Pause(ctx, probePause) // the loop sees that ctx has ended
		}
	}()
	return p
}

func (p *prober) round(ctx context.Context, n int) error {
	var id string
	err := p.time("create a service", func() (err error) {
		id, err = p.user.create(ctx, fmt.Sprintf("probe-%d-%05d", time.Now().UnixNano(), n), 0)
		return err
	})
	if err != nil {
		return err
	}
	if err := p.time("inspect a service", func() error { return p.user.call(ctx, http.MethodGet, "/services/"+id, nil, nil) }); err != nil {
		return err
	}
	if err := p.time("list services", func() error { return p.user.call(ctx, http.MethodGet, "/services", nil, nil) }); err != nil {
		return err
	}
	return p.user.call(ctx, http.MethodDelete, "/services/"+id, nil, nil)
}

func (p *prober) time(what string, f func() error) error {
	began := time.Now()
	if err := f(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.times[what] = append(p.times[what], time.Since(began))
	return nil
}

// end asks no more and returns how long answers took.
func (p *prober) end() (map[string]Spread, error) {
	p.stop()
	<-p.done
	all := map[string]Spread{}
	for what, t := range p.times {
		all[what] = spread(t)
	}
	return all, p.err
}
