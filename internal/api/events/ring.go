package events

import (
	"context"
	"slices"
	"sync"

	"github.com/moby/moby/api/types/events"
	"github.com/skep-org/skep/internal/store"
)

// size is how many events the ring keeps at least; Docker's own keeps 256, which one large deploy overruns.
const size = 4096

// Ring keeps the newest events. Its methods may be called from any goroutine.
type Ring struct {
	mu      sync.Mutex
	kept    []events.Message
	first   uint64        // number of kept[0]
	changed chan struct{} // closed when an event comes
}

// NewRing makes an empty ring.
func NewRing() *Ring { return &Ring{changed: make(chan struct{})} }

// Follow fills the ring from a store's feed, from now on, until ctx ends.
func (r *Ring) Follow(ctx context.Context, s *store.Store) error {
	after := s.View().Index()
	for {
		changed := s.Changed()
		changes, v, ok := s.Events(after)
		after = v.Index()
		// Where the feed no longer reaches back, what happened in between has no events left to tell.
		if ok {
			var out []events.Message
			for _, e := range changes {
				out = append(out, Convert(v, e)...)
			}
			r.add(out)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (r *Ring) add(out []events.Message) {
	if len(out) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept = append(r.kept, out...)
	// Twice the size may stand here, so that not every event moves all the others.
	if len(r.kept) >= 2*size {
		drop := len(r.kept) - size
		r.kept = slices.Clone(r.kept[drop:])
		r.first += uint64(drop)
	}
	close(r.changed)
	r.changed = make(chan struct{})
}

// End is the number the next event will have.
func (r *Ring) End() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.first + uint64(len(r.kept))
}

// From returns the events numbered from on that are still kept, the number to ask for next, and a channel
// that is closed when there are more.
func (r *Ring) From(from uint64) (out []events.Message, next uint64, more <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	end := r.first + uint64(len(r.kept))
	start := min(max(from, r.first), end)
	return slices.Clone(r.kept[start-r.first:]), end, r.changed
}
