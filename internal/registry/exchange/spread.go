package exchange

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/wire"
)

// alone waits until nobody spreads a blob but who called it. Two that did at the same time would each send it.
func (e *Exchange) alone(ctx context.Context, d model.Digest) (done func(), err error) {
	for {
		done, busy := e.tryAlone(d)
		if done != nil {
			return done, nil
		}
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// tryAlone returns a channel that is closed when somebody else is done, where somebody is at it.
func (e *Exchange) tryAlone(d model.Digest) (done func(), busy <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if busy := e.spreads[d]; busy != nil {
		return nil, busy
	}
	mine := make(chan struct{})
	e.spreads[d] = mine
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.spreads, d)
		close(mine)
	}, nil
}

// spread gives a blob to as many of the other nodes as are to have it besides this one and those who do.
func (e *Exchange) spread(ctx context.Context, b *wire.RegistryBlob, d model.Digest, size int64) error {
	want := e.Copies - 1 - len(b.Holders)
	if want <= 0 || len(b.Others) == 0 {
		return nil
	}
	var mu sync.Mutex
	var errs []error
	next, given := 0, 0
	g, ctx := errgroup.WithContext(ctx)
	for range min(want, len(b.Others)) {
		g.Go(func() error {
			for {
				mu.Lock()
				if next == len(b.Others) {
					mu.Unlock()
					return nil
				}
				to := b.Others[next]
				next++
				mu.Unlock()
				err := e.give(ctx, to, d, size)
				mu.Lock()
				if err == nil {
					given++
					mu.Unlock()
					return nil
				}
				errs = append(errs, err)
				mu.Unlock()
				if ctx.Err() != nil {
					return ctx.Err()
				}
			}
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if have := given + 1 + len(b.Holders); have < min(e.Copies, 1+len(b.Holders)+len(b.Others)) {
		return fmt.Errorf("blob %s is on %d of the %d nodes that are to have it, and no other one takes it: %w", d, have, e.Copies, errors.Join(errs...))
	}
	return nil
}

func (e *Exchange) give(ctx context.Context, to *wire.RegistryPeer, d model.Digest, size int64) error {
	peer, err := peerOf(to)
	if err != nil {
		return err
	}
	f, err := e.Dir.Get(d)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := e.Cluster.Give(ctx, peer, d, size, f); err != nil {
		return fmt.Errorf("give blob %s to node %s: %w", d, peer.Node, err)
	}
	return nil
}
