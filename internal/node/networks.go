package node

import (
	"context"
	"time"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// pruneRetry is how long a network that still has containers on it waits to be removed.
const pruneRetry = 2 * time.Second

// keepNetworks removes the engine's networks whose cluster networks are gone.
func (m *member) keepNetworks(ctx context.Context, p *part) error {
	s := p.manager.Store()
	after, again := uint64(0), true
	for {
		changed := s.Changed()
		events, view, ok := s.Events(after)
		after = view.Index()
		again = again || !ok
		for _, e := range events {
			again = again || e.Table == store.Networks.ID() && e.New == nil
		}
		if again && p.manager.Leading() {
			again = m.executor.PruneNetworks(ctx, networkIDs(view)) != nil
		}
		var retry <-chan time.Time
		if again {
			retry = time.After(pruneRetry)
		}
		select {
		case <-changed:
		case <-retry:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func networkIDs(v store.View) []model.ID {
	var ids []model.ID
	for n := range store.Networks.All(v) {
		ids = append(ids, n.ID)
	}
	return ids
}
