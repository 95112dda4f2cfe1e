package node

import (
	"context"
	"slices"
	"time"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// pruneRetry is how long a network that still has containers on it waits to be removed.
const pruneRetry = 2 * time.Second

// needNetworks takes the networks that this node's tasks need, before any of them is made. There is something to look for on
// the engine at first and when one is needed no more.
func (m *member) needNetworks(keep []model.ID) {
	m.update(func() {
		if m.words == 0 || slices.ContainsFunc(m.networks, func(id model.ID) bool { return !slices.Contains(keep, id) }) {
			m.words++
		}
		m.networks = keep
	})
}

// keepNetworks removes from the engine what stands for cluster networks that nobody on this node needs any more.
func (m *member) keepNetworks(ctx context.Context) error {
	return keepNetworks(ctx, m.env, m.neededNetworks, m.executor.PruneNetworks)
}

// needs are the networks that a node needs, as of one moment.
type needs struct {
	keep          map[model.ID]bool // nil: the managers have not told this node's tasks yet
	told          int               // how often the agent has told of one that is needed no more
	changed, news <-chan struct{}   // closed when it may have changed
}

// keepNetworks prunes whenever the agent has told that a network is needed no more, whatever the needs are now: one that came
// and went between two looks leaves them as they were. It prunes too when a network is in the store no longer.
func keepNetworks(ctx context.Context, e env.Env, needed func() needs, prune func(context.Context, func() []model.ID) error) error {
	var last needs // as of the last look; nothing: look at the engine in any case
	for {
		now := needed()
		again := false
		if now.keep != nil && (last.keep == nil || last.told != now.told || lacks(now.keep, last.keep)) {
			again = prune(ctx, func() []model.ID {
				now = needed()
				return ids(now.keep)
			}) != nil
		}
		last = now
		var retry <-chan time.Time
		stop := func() {}
		if again {
			last = needs{}
			retry, stop = e.NewTimer(pruneRetry)
		}
		select {
		case <-now.changed:
		case <-now.news:
		case <-retry:
		case <-ctx.Done():
			stop()
			return ctx.Err()
		}
		stop()
	}
}

// neededNetworks are those of assigned tasks, and on a manager all there are: a plain container may be about to join one.
func (m *member) neededNetworks() needs {
	m.mu.Lock()
	p, networks := m.part, m.networks
	n := needs{told: m.words, changed: m.changed}
	m.mu.Unlock()
	if p != nil {
		n.news = p.manager.Store().Changed()
	}
	if n.told == 0 {
		return n
	}
	n.keep = map[model.ID]bool{}
	for _, id := range networks {
		n.keep[id] = true
	}
	if p != nil {
		for row := range store.Networks.All(p.manager.Store().View()) {
			n.keep[row.ID] = true
		}
	}
	return n
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
