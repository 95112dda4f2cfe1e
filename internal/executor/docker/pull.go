package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/client"
	"github.com/opencontainers/go-digest"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/executor"
)

// pullMemory is how long the outcome of a pull stands for tasks of the same image: long enough that the tasks of one
// service cost one look-up, short enough that a tag pushed anew is noticed.
const pullMemory = 10 * time.Second

// absentMemory is how long it stands when the image turned out not to be on the node either: a registry that is back,
// or credentials that are right now, are to help at the next try.
const absentMemory = 2 * time.Second

// pulls pulls images. Each is pulled before a container is made of it, as Docker's swarm does; a failure counts only if
// the image is not on the node, which the container's creation tells.
type pulls struct {
	pull  func(ctx context.Context, image, auth string) error
	has   func(ctx context.Context, image string) (bool, error)
	clock env.Clock

	mu     sync.Mutex
	flying map[pullKey]*flight
	recent map[pullKey]outcome
}

type pullKey struct{ image, auth string }

type outcome struct {
	err   error
	until time.Time
}

// flight is a pull in progress; it is given up when nobody waits for it any more.
type flight struct {
	done    chan struct{}
	err     error // set before done is closed
	waiting int
	cancel  context.CancelFunc
}

func newPulls(api *client.Client, clock env.Clock, own func(string) string) *pulls {
	return &pulls{
		pull: func(ctx context.Context, image, auth string) error {
			if own != nil {
				auth = cmp.Or(own(image), auth)
			}
			stream, err := api.ImagePull(ctx, image, client.ImagePullOptions{RegistryAuth: auth})
			if err != nil {
				return err
			}
			return stream.Wait(ctx)
		},
		has: func(ctx context.Context, image string) (bool, error) {
			_, err := api.ImageInspect(ctx, image)
			if cerrdefs.IsNotFound(err) {
				return false, nil
			}
			return err == nil, err
		},
		clock: clock, flying: map[pullKey]*flight{}, recent: map[pullKey]outcome{},
	}
}

// ensure pulls an image unless that is needless. Its error is the registry's, to be shown if the image is missing, or
// wraps [executor.ErrUnavailable]. Fresh says that the outcome is of this very moment.
func (p *pulls) ensure(ctx context.Context, image, auth string) (fresh bool, err error) {
	if _, err := digest.Parse(image); err == nil {
		return true, nil // an image's id: no registry knows it
	}
	key := pullKey{image, auth}
	p.mu.Lock()
	if o, ok := p.recent[key]; ok && p.clock.Now().Before(o.until) {
		p.mu.Unlock()
		return false, o.err
	}
	f, ok := p.flying[key]
	if !ok {
		f = p.takeOff(ctx, key)
	}
	f.waiting++
	p.mu.Unlock()
	select {
	case <-f.done:
		return true, f.err
	case <-ctx.Done():
		p.leave(key, f)
		return true, failed("pulling image "+image, called(ctx.Err()))
	}
}

// takeOff starts a pull that outlives the caller who happened to come first.
func (p *pulls) takeOff(ctx context.Context, key pullKey) *flight {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f := &flight{done: make(chan struct{}), cancel: cancel}
	p.flying[key] = f
	go func() {
		defer cancel()
		err := p.once(ctx, key)
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.flying[key] == f {
			delete(p.flying, key)
		}
		if !errors.Is(err, executor.ErrUnavailable) {
			p.remember(key, err, pullMemory)
		}
		f.err = err
		close(f.done)
	}()
	return f
}

// once looks for a pinned image on the node first: it cannot have changed.
func (p *pulls) once(ctx context.Context, key pullKey) error {
	if ref, err := reference.ParseNormalizedNamed(key.image); err == nil {
		if _, pinned := ref.(reference.Canonical); pinned {
			if there, err := p.has(ctx, key.image); there || err != nil {
				return failed("looking for image "+key.image, called(err))
			}
		}
	}
	err := p.pull(ctx, key.image, key.auth)
	if err != nil && (answer(err) || streamError(err)) {
		return words{err} // the registry's, or the engine's
	}
	return failed("pulling image "+key.image, called(err))
}

func (p *pulls) leave(key pullKey, f *flight) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f.waiting--; f.waiting > 0 {
		return
	}
	f.cancel()
	if p.flying[key] == f {
		delete(p.flying, key) // who comes now starts anew
	}
}

// remember keeps an outcome and drops those that have had their time.
func (p *pulls) remember(key pullKey, err error, d time.Duration) {
	now := p.clock.Now()
	for k, o := range p.recent {
		if !now.Before(o.until) {
			delete(p.recent, k)
		}
	}
	p.recent[key] = outcome{err: err, until: now.Add(d)}
}

// absent tells that an image is not on the node after all: what is remembered of it is of little use.
func (p *pulls) absent(image, auth string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := pullKey{image, auth}
	if o, ok := p.recent[key]; ok && o.err == nil {
		delete(p.recent, key)
	} else if soon := p.clock.Now().Add(absentMemory); ok && soon.Before(o.until) {
		p.recent[key] = outcome{err: o.err, until: soon}
	}
}

// streamError reports whether a pull failed by what the engine wrote into its progress, after it had begun well.
func streamError(err error) bool {
	var e *jsonstream.Error
	return errors.As(err, &e)
}

// missing is the error of a task whose image is nowhere: Docker's words, and the registry's.
func missing(image string, pull error) error {
	if pull == nil {
		return fmt.Errorf("No such image: %s", image) //nolint:staticcheck // Docker's own words, which users search for
	}
	return fmt.Errorf("No such image: %s (pulling it failed: %w)", image, pull) //nolint:staticcheck // as above
}
