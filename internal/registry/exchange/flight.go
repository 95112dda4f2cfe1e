package exchange

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/registry/blobs"
	"github.com/skep-org/skep/internal/wire"
)

// flight is a blob on its way here. Readers follow it.
type flight struct {
	digest model.Digest
	size   int64
	writer *blobs.Writer
	direct atomic.Bool // another node counts on this one to fetch it from another registry

	mu      sync.Mutex
	moved   chan struct{} // closed when any of these changes
	written int64
	done    bool // it is here
	known   bool // and the managers were told
	err     error
}

// Open reads a blob from an offset on, wherever in the cluster it is.
func (e *Exchange) Open(ctx context.Context, d model.Digest, offset int64) (io.ReadCloser, error) {
	if f, err := e.Dir.Get(d); err == nil {
		if _, err := f.Seek(offset, io.SeekStart); err != nil {
			_ = f.Close()
			return nil, err
		}
		return f, nil
	}
	b, err := e.blob(ctx, d)
	if err != nil {
		return nil, err
	}
	f, err := e.fly(b, d)
	switch {
	case errors.Is(err, errHere):
		return e.Open(ctx, d, offset)
	case err != nil:
		return nil, err
	}
	return e.follow(ctx, f, offset)
}

// errHere is returned where a blob has come in the meantime.
var errHere = errors.New("the blob is here")

// follow reads a blob on its way here from an offset on.
func (e *Exchange) follow(ctx context.Context, f *flight, offset int64) (io.ReadCloser, error) {
	file, err := f.writer.Open()
	if errors.Is(err, os.ErrNotExist) { // it has just arrived, or will not
		file, err = e.Dir.Get(f.digest)
	}
	if err != nil {
		return nil, err
	}
	return &follower{ctx: ctx, flight: f, file: file, at: offset}, nil
}

// has is how much of the blob is here.
func (f *flight) has() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.written
}

// fly has a blob come here from other nodes, or joins its flight.
func (e *Exchange) fly(b *wire.RegistryBlob, d model.Digest) (*flight, error) {
	return e.begin(d, int64(b.Size), func(ctx context.Context, f *flight) error { return e.fetch(ctx, f, b) })
}

// begin joins the flight of a blob, or begins one, which goes on when its readers have gone; errHere: it is here.
func (e *Exchange) begin(d model.Digest, size int64, fetch func(context.Context, *flight) error) (*flight, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if f := e.flights[d]; f != nil {
		return f, nil
	}
	if e.closed {
		return nil, context.Canceled
	}
	if _, err := e.Dir.Size(d); err == nil {
		return nil, errHere
	}
	w, err := e.Dir.Create(d, size)
	if err != nil {
		return nil, err
	}
	f := &flight{digest: d, size: size, writer: w, moved: make(chan struct{})}
	e.flights[d] = f
	e.wg.Go(func() { e.complete(f, fetch(e.life, f)) })
	return f, nil
}

// complete ends a flight.
func (e *Exchange) complete(f *flight, err error) {
	if err != nil {
		e.land(f)
		f.tell(func() { f.done, f.err = true, err })
		e.Logger.Warn("a blob could not be fetched", "blob", f.digest, "err", err)
		return
	}
	f.tell(func() { f.done = true })
	if err := e.hold(e.life, f.digest, f.size); err != nil && e.life.Err() == nil {
		e.Logger.Warn("this node has a blob that the cluster does not know of; it is told later", "blob", f.digest, "err", err)
	}
	e.land(f)
	f.tell(func() { f.known = true })
}

func (e *Exchange) land(f *flight) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.flights, f.digest)
}

// coming tells how long a blob is that is on its way here.
func (e *Exchange) coming(d model.Digest) (size int64, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if f := e.flights[d]; f != nil {
		return f.size, true
	}
	return 0, false
}

// wait returns when the blob is here and the managers were told.
func (f *flight) wait(ctx context.Context) error {
	for {
		f.mu.Lock()
		known, err, moved := f.known, f.err, f.moved
		f.mu.Unlock()
		if known || err != nil {
			return err
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// watch gives a node up that sends nothing for a while.
func (e *Exchange) watch(ctx context.Context, giveUp func(), f *flight) {
	for last := int64(-1); ; {
		written := f.has()
		if written == last {
			giveUp()
			return
		}
		last = written
		timer, stop := e.Env.NewTimer(e.Stall)
		select {
		case <-timer:
		case <-ctx.Done():
			stop()
			return
		}
	}
}

// progress writes a flight's blob and tells its readers.
type progress struct{ f *flight }

func (p progress) Write(b []byte) (int, error) {
	n, err := p.f.writer.Write(b)
	p.f.tell(func() { p.f.written += int64(n) })
	return n, err
}

func (f *flight) tell(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	close(f.moved)
	f.moved = make(chan struct{})
}

// follower reads a blob as it comes.
type follower struct {
	ctx    context.Context //nolint:containedctx // the reader's
	flight *flight
	file   *os.File
	at     int64
}

func (r *follower) Read(p []byte) (int, error) {
	for {
		r.flight.mu.Lock()
		written, done, err, moved := r.flight.written, r.flight.done, r.flight.err, r.flight.moved
		r.flight.mu.Unlock()
		switch {
		case err != nil:
			return 0, err
		case r.at < written:
			n, err := r.file.ReadAt(p[:min(int64(len(p)), written-r.at)], r.at)
			r.at += int64(n)
			return n, err
		case done:
			return 0, io.EOF
		}
		select {
		case <-moved:
		case <-r.ctx.Done():
			return 0, r.ctx.Err()
		}
	}
}

func (r *follower) Close() error { return r.file.Close() }
