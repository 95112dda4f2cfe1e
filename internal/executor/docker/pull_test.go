package docker

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/executor"
)

const (
	tagged = "repo/app:1"
	pinned = "repo/app:1@sha256:0123456789012345678901234567890123456789012345678901234567890123"
)

// registry counts pulls, each of which takes a second and ends with err.
type registry struct {
	pulls, looks atomic.Int32
	cancelled    atomic.Int32
	err          error
	there        bool
}

func (r *registry) made() *pulls {
	p := newPulls(nil, env.Real().Clock, nil)
	p.pull = func(ctx context.Context, _, _ string) error {
		r.pulls.Add(1)
		select {
		case <-time.After(time.Second):
			return r.err
		case <-ctx.Done():
			r.cancelled.Add(1)
			return ctx.Err()
		}
	}
	p.has = func(context.Context, string) (bool, error) { r.looks.Add(1); return r.there, nil }
	return p
}

// bubble runs a test in fake time.
func bubble(t *testing.T, f func(t *testing.T)) { synctest.Test(t, f) }

func TestPullsAreJoined(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &registry{err: cerrdefs.ErrNotFound.WithMessage("manifest unknown")}
		p := r.made()
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if _, err := p.ensure(t.Context(), tagged, "auth"); !errors.Is(err, r.err) {
					t.Errorf("error %v, want the registry's", err)
				}
			})
		}
		wg.Wait()
		if n := r.pulls.Load(); n != 1 {
			t.Errorf("%d pulls for twenty tasks, want one", n)
		}
		if _, err := p.ensure(t.Context(), tagged, "other auth"); !errors.Is(err, r.err) || r.pulls.Load() != 2 {
			t.Errorf("other credentials: %v after %d pulls, want one of their own", err, r.pulls.Load())
		}
	})
}

func TestPullOutcomeIsRemembered(t *testing.T) {
	for _, err := range []error{nil, errInvalidTag} {
		bubble(t, func(t *testing.T) {
			r := &registry{err: err}
			p := r.made()
			ask := func(wantFresh bool) {
				t.Helper()
				fresh, got := p.ensure(t.Context(), tagged, "")
				if fresh != wantFresh || !errors.Is(got, err) {
					t.Errorf("fresh %v, error %v; want %v, %v", fresh, got, wantFresh, err)
				}
			}
			ask(true)
			ask(false)
			time.Sleep(pullMemory)
			ask(true)
			// The image is not on the node after all: a success is worth nothing, a failure holds for a moment.
			p.absent(tagged, "")
			if err != nil {
				ask(false)
				time.Sleep(absentMemory)
			}
			ask(true)
		})
	}
}

var errInvalidTag = cerrdefs.ErrInvalidArgument.WithMessage("invalid tag")

func TestPullOutlivesItsFirstCaller(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &registry{}
		p := r.made()
		first, leave := context.WithCancel(t.Context())
		gone := make(chan error, 1)
		go func() { _, err := p.ensure(first, tagged, ""); gone <- err }()
		synctest.Wait()
		second := make(chan error, 1)
		go func() { _, err := p.ensure(t.Context(), tagged, ""); second <- err }()
		synctest.Wait()
		leave()
		if err := <-gone; !errors.Is(err, executor.ErrUnavailable) || !errors.Is(err, context.Canceled) {
			t.Errorf("the caller who left got %v", err)
		}
		if err := <-second; err != nil {
			t.Errorf("the caller who stayed got %v", err)
		}
		if r.pulls.Load() != 1 || r.cancelled.Load() != 0 {
			t.Errorf("%d pulls, %d given up; want one and none", r.pulls.Load(), r.cancelled.Load())
		}
	})
}

func TestPullNobodyWaitsForIsGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &registry{}
		p := r.made()
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, _ = p.ensure(ctx, tagged, "")
		if _, err := p.ensure(t.Context(), tagged, ""); err != nil {
			t.Errorf("the next caller got %v: a pull that was given up says nothing about the image", err)
		}
		if r.cancelled.Load() != 1 || r.pulls.Load() != 2 {
			t.Errorf("%d of %d pulls were given up, want the first of two", r.cancelled.Load(), r.pulls.Load())
		}
	})
}

func TestPinnedImageThatIsThereIsNotPulled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &registry{there: true}
		p := r.made()
		for range 3 {
			if _, err := p.ensure(t.Context(), pinned, ""); err != nil {
				t.Error(err)
			}
		}
		if r.pulls.Load() != 0 || r.looks.Load() != 1 {
			t.Errorf("%d pulls and %d looks, want no pull and one look", r.pulls.Load(), r.looks.Load())
		}
		if _, err := p.ensure(t.Context(), "sha256:"+pinned[len(pinned)-64:], ""); err != nil || r.pulls.Load() != 0 {
			t.Errorf("an image named by its id: %v after %d pulls", err, r.pulls.Load())
		}
	})
}

func TestLostEngineIsNotRemembered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &registry{err: errors.New("unexpected EOF")}
		p := r.made()
		if _, err := p.ensure(t.Context(), tagged, ""); !errors.Is(err, executor.ErrUnavailable) {
			t.Errorf("error %v, want ErrUnavailable", err)
		}
		r.err = nil
		if fresh, err := p.ensure(t.Context(), tagged, ""); err != nil || !fresh {
			t.Errorf("afterwards: %v, fresh %v", err, fresh)
		}
	})
}
