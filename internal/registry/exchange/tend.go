package exchange

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/wire"
)

const (
	// tendEvery is how often a node looks whether enough nodes have what it has.
	tendEvery = time.Minute
	// compareEvery is how often, in such looks, disk and managers are compared.
	compareEvery = 30
	// orphanAge is how old a blob is before it is removed because the managers do not know of it: it may just be coming.
	orphanAge = time.Hour
	// spareAge is how long a node keeps a blob that enough others have: engines that pull it later find it near.
	spareAge = 7 * 24 * time.Hour
)

// Tend keeps what this node has and what the cluster believes it has the same, and gives others what too few have, until ctx
// ends. A node without blobs asks nobody.
func (e *Exchange) Tend(ctx context.Context) error {
	for look := 0; ; look++ {
		if err := e.Env.Pause(ctx, tendEvery); err != nil {
			return err
		}
		if err := e.tend(ctx, look%compareEvery == 0); err != nil && ctx.Err() == nil {
			e.Logger.Info("the registry's blobs could not all be looked after; it is tried again", "err", err)
		}
	}
}

func (e *Exchange) tend(ctx context.Context, compare bool) error {
	if compare {
		if err := e.Compare(ctx); err != nil {
			return err
		}
	}
	if here, err := e.Dir.List(); err != nil || len(here) == 0 {
		return err
	}
	return e.Repair(ctx)
}

// Repair gives others the blobs that too few nodes have, where that is this node's to do.
func (e *Exchange) Repair(ctx context.Context) error {
	a, err := e.Cluster.Look(ctx, &wire.RegistryQuery{What: wire.RegistryQuery_SHORT, Copies: uint32(e.Copies)})
	if err != nil {
		return err
	}
	var errs []error // one blob that nobody takes is no reason to leave the others
	for _, b := range a.Blobs {
		if len(b.Digest) == len(model.Digest{}) && ctx.Err() == nil {
			errs = append(errs, e.repair(ctx, model.Digest(b.Digest)))
		}
	}
	return errors.Join(errs...)
}

func (e *Exchange) repair(ctx context.Context, d model.Digest) error {
	done, _ := e.tryAlone(d)
	if done == nil {
		return nil // it was just pushed, and is on its way
	}
	defer done()
	size, err := e.Dir.Size(d)
	if err != nil {
		return e.drop(ctx, 0, d)
	}
	b, err := e.blob(ctx, d) // others may have it by now
	if err != nil || len(b.Holders)+1 >= e.Copies {
		return err
	}
	if err := e.spread(ctx, b, d, size); err != nil {
		return err
	}
	e.Logger.Info("a blob that too few nodes had was given to others", "blob", d)
	return nil
}

// Compare removes what the managers do not know of, tells them what is not here, and removes old copies that enough others have.
func (e *Exchange) Compare(ctx context.Context) error {
	here, err := e.Dir.List()
	if err != nil {
		return err
	}
	a, err := e.Cluster.Look(ctx, &wire.RegistryQuery{What: wire.RegistryQuery_HELD})
	if err != nil {
		return err
	}
	known, now := map[model.Digest]*wire.RegistryBlob{}, e.Env.Now()
	for _, b := range a.Blobs {
		if len(b.Digest) == len(model.Digest{}) {
			known[model.Digest(b.Digest)] = b
		}
	}
	for _, k := range here {
		b := known[k.Digest]
		delete(known, k.Digest)
		switch age := now.Sub(k.Since); {
		case b == nil && age > orphanAge:
			if err := e.Dir.RemoveOld(k.Digest, now.Add(-orphanAge)); err != nil {
				return fmt.Errorf("remove blob %s, which is no image's any more: %w", k.Digest, err)
			}
		case b != nil && age > spareAge && int(b.Copies) > e.Copies:
			if err := e.spare(ctx, k.Digest); err != nil {
				return err
			}
		}
	}
	for d := range known { // what came since the list was made is here, too
		if _, err := e.Dir.Size(d); err != nil {
			e.Logger.Warn("a blob of the cluster's registry is not on this node's disk any more", "blob", d)
			if err := e.drop(ctx, 0, d); err != nil {
				return err
			}
		}
	}
	return nil
}

// spare removes a blob that enough others have. The managers decide: of two nodes that would remove it one may.
func (e *Exchange) spare(ctx context.Context, d model.Digest) error {
	if err := e.drop(ctx, uint32(e.Copies), d); err != nil {
		return err
	}
	a, err := e.Cluster.Look(ctx, &wire.RegistryQuery{What: wire.RegistryQuery_HELD})
	if err != nil {
		return err
	}
	for _, b := range a.Blobs {
		if len(b.Digest) == len(d) && model.Digest(b.Digest) == d {
			return nil // it is to stay
		}
	}
	return e.Dir.RemoveOld(d, e.Env.Now().Add(-spareAge))
}

func (e *Exchange) drop(ctx context.Context, spare uint32, d model.Digest) error {
	return e.Cluster.Record(ctx, &wire.RegistryChange{What: &wire.RegistryChange_Drop{Drop: &wire.RegistryHold{
		Blobs: []*wire.RegistryBlob{{Digest: d[:]}}, Spare: spare,
	}}})
}
