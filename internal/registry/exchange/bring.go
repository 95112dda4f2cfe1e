package exchange

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/registry/blobs"
	"github.com/skep-org/skep/internal/store"
)

// upstreamWait is how soon another registry that broke off is asked again.
const upstreamWait = 500 * time.Millisecond

// Source is where a blob can be had that the cluster has not got.
type Source struct {
	Mirror string // the mirrored repository, as other nodes know it
	Size   int64
	Open   func(ctx context.Context, offset int64) (io.ReadCloser, error)
}

// Bring has a blob come here that the cluster has not got, and returns when it is on its way: [Exchange.Open] reads it as it comes.
// For another node it is fetched from the source at once; otherwise that is left to one node, which is the same for all that ask,
// unless it cannot. wait returns when it is here.
func (e *Exchange) Bring(ctx context.Context, d model.Digest, s Source, forOther bool) (wait func(context.Context) error, err error) {
	f, err := e.begin(d, s.Size, func(ctx context.Context, f *flight) error {
		if err := e.bring(ctx, f, s, forOther || e.isWary(d)); err != nil {
			f.writer.Abort()
			return err
		}
		return nil
	})
	if errors.Is(err, errHere) {
		// The managers may have forgotten it, because no image needed it.
		return here, e.Take(ctx, d, s.Size, nil)
	}
	if err != nil {
		return nil, err
	}
	return f.wait, nil
}

// Arrival waits for a blob that is on its way here, if it is.
func (e *Exchange) Arrival(d model.Digest) (wait func(context.Context) error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if f := e.flights[d]; f != nil {
		return f.wait
	}
	return here
}

func here(context.Context) error { return nil }

func (e *Exchange) bring(ctx context.Context, f *flight, s Source, direct bool) error {
	var senders []sender
	if b, err := e.blob(ctx, f.digest); err == nil && !direct {
		nodes := &search{e: e, f: f, known: b, mirror: s.Mirror}
		err := nodes.run(ctx)
		senders = nodes.senders
		if err == nil || ctx.Err() != nil || errors.Is(err, blobs.ErrFull) {
			return e.ended(f, senders, err)
		}
	}
	var err error
	for failed := 0; failed < rounds; failed++ {
		had := f.writer.Written()
		if err = e.take(ctx, f, s.Open); err == nil || ctx.Err() != nil || errors.Is(err, blobs.ErrFull) || errors.Is(err, store.ErrNotFound) {
			break
		}
		if f.writer.Written() > had {
			failed = 0
		}
		if err := e.Env.Pause(ctx, upstreamWait); err != nil {
			return err
		}
	}
	return e.ended(f, senders, err)
}

// ended keeps what has come without an error.
func (e *Exchange) ended(f *flight, senders []sender, err error) error {
	if err != nil {
		return err
	}
	return e.arrived(f, senders)
}
