package node

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/model"
)

// needing is a node's needs that a test sets.
type needing struct {
	mu      sync.Mutex
	n       needs
	changed chan struct{}
}

func (w *needing) set(told int, keep ...model.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.changed != nil {
		close(w.changed)
	}
	w.changed = make(chan struct{})
	w.n = needs{told: told, changed: w.changed, keep: map[model.ID]bool{}}
	for _, id := range keep {
		w.n.keep[id] = true
	}
}

func (w *needing) get() needs {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.n
}

// TestNetworksThatCameAndWent: a network came, of which the agent says nothing, and went, which leaves the needs as they
// were before it came.
func TestNetworksThatCameAndWent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stays := model.NumID(1)
		w := &needing{}
		w.set(1, stays)
		busy := true
		var pruned atomic.Int64
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- keepNetworks(ctx, env.Real(), w.get, func(_ context.Context, keep func() []model.ID) error {
				if got := keep(); !slices.Equal(got, []model.ID{stays}) {
					t.Errorf("pruned but for %v", got)
				}
				pruned.Add(1)
				if busy {
					busy = false
					return errors.New("it has containers")
				}
				return nil
			})
		}()
		look := func(what string, want int64) {
			t.Helper()
			synctest.Wait()
			if got := pruned.Load(); got != want {
				t.Errorf("%s: looked at the engine %d times, wanted %d", what, got, want)
			}
		}
		look("at first", 1)
		time.Sleep(2 * pruneRetry) // of the bubble's time
		look("after it was busy", 2)
		w.set(1, stays)
		look("when something else changed", 2)
		w.set(2, stays)
		look("when a network came and went", 3)
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// TestNeedsThatGrow: what comes is kept from then on, and is nothing to look at the engine for; what goes is.
func TestNeedsThatGrow(t *testing.T) {
	m := &member{changed: make(chan struct{})}
	front, back := model.NumID(1), model.NumID(2)
	for i, step := range []struct {
		networks []model.ID
		told     int
	}{
		{[]model.ID{front}, 1},
		{[]model.ID{front, back}, 1},
		{[]model.ID{front, back}, 1},
		{[]model.ID{back}, 2},
		{nil, 3},
	} {
		m.needNetworks(step.networks)
		n := m.neededNetworks()
		if n.told != step.told || len(n.keep) != len(step.networks) {
			t.Errorf("step %d: told %d times, kept %v", i, n.told, n.keep)
		}
		for _, id := range step.networks {
			if !n.keep[id] {
				t.Errorf("step %d: %v is not kept", i, id)
			}
		}
	}
}
