package node

import (
	"context"
	"time"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// pruneRetry is how long a network that still has containers on it waits to be removed.
const pruneRetry = 2 * time.Second

// needNetworks takes the networks that this node's tasks need.
func (m *member) needNetworks(keep []model.ID) {
	m.update(func() { m.networks, m.assigned = keep, true })
}

// keepNetworks removes from the engine what stands for cluster networks that nobody on this node needs any more.
func (m *member) keepNetworks(ctx context.Context) error {
	var kept map[model.ID]bool // as of the last look; nil: look at the engine in any case
	for {
		keep, changed, news := m.neededNetworks()
		again := false
		if keep != nil && (kept == nil || lacks(keep, kept)) {
			again = m.executor.PruneNetworks(ctx, func() []model.ID {
				keep, _, _ = m.neededNetworks()
				return ids(keep)
			}) != nil
		}
		kept = keep
		if again {
			kept = nil
		}
		var retry <-chan time.Time
		stop := func() {}
		if again {
			retry, stop = m.env.NewTimer(pruneRetry)
		}
		select {
		case <-changed:
		case <-news:
		case <-retry:
		case <-ctx.Done():
			stop()
			return ctx.Err()
		}
		stop()
	}
}

// neededNetworks are those of assigned tasks, and on a manager all there are: a plain container may be about to join
// one. nil means that the managers have not told this node's tasks yet. The channels close when it may have changed.
func (m *member) neededNetworks() (keep map[model.ID]bool, changed, news <-chan struct{}) {
	m.mu.Lock()
	p, assigned, networks := m.part, m.assigned, m.networks
	changed = m.changed
	m.mu.Unlock()
	if p != nil {
		news = p.manager.Store().Changed()
	}
	if !assigned {
		return nil, changed, news
	}
	keep = map[model.ID]bool{}
	for _, id := range networks {
		keep[id] = true
	}
	if p != nil {
		for n := range store.Networks.All(p.manager.Store().View()) {
			keep[n.ID] = true
		}
	}
	return keep, changed, news
}

// lacks reports whether something of before is not in keep.
func lacks(keep, before map[model.ID]bool) bool {
	for id := range before {
		if !keep[id] {
			return true
		}
	}
	return false
}

func ids(set map[model.ID]bool) []model.ID {
	var out []model.ID
	for id := range set {
		out = append(out, id)
	}
	return out
}
