package exchange

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/registry/blobs"
	"github.com/skep-org/skep/internal/wire"
)

const (
	// busyWait is how soon nodes that were busy are asked again.
	busyWait = 100 * time.Millisecond
	// rounds bounds how often all nodes that have a blob are asked without a byte coming.
	rounds = 5
)

// flight is a blob on its way here. Readers follow it.
type flight struct {
	digest model.Digest
	size   int64
	writer *blobs.Writer

	mu      sync.Mutex
	moved   chan struct{} // closed when any of these changes
	written int64
	done    bool
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
	if err != nil {
		return nil, err
	}
	file, err := f.writer.Open()
	if errors.Is(err, os.ErrNotExist) { // it has just arrived, or will not
		file, err = e.Dir.Get(d)
	}
	if err != nil {
		return nil, err
	}
	return &follower{ctx: ctx, flight: f, file: file, at: offset}, nil
}

// fly joins the flight of a blob, or begins one, which goes on when its readers have gone.
func (e *Exchange) fly(b *wire.RegistryBlob, d model.Digest) (*flight, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if f := e.flights[d]; f != nil {
		return f, nil
	}
	if e.closed {
		return nil, context.Canceled
	}
	w, err := e.Dir.Create(d, int64(b.Size))
	if err != nil {
		return nil, err
	}
	f := &flight{digest: d, size: int64(b.Size), writer: w, moved: make(chan struct{})}
	e.flights[d] = f
	e.wg.Go(func() {
		err := e.fetch(e.life, f, b)
		e.mu.Lock()
		delete(e.flights, d)
		e.mu.Unlock()
		f.tell(func() { f.done, f.err = true, err })
		if err != nil {
			e.Logger.Warn("a blob could not be fetched from the cluster", "blob", d, "err", err)
			return
		}
		if err := e.hold(e.life, d, f.size); err != nil && e.life.Err() == nil {
			e.Logger.Warn("this node has a blob that the cluster does not know of; it is told later", "blob", d, "err", err)
		}
	})
	return f, nil
}

// fetch asks the nodes that have the blob, one after the other, and goes on at another one where one of them broke off.
func (e *Exchange) fetch(ctx context.Context, f *flight, b *wire.RegistryBlob) error {
	var last error
	var senders []model.ID
	for round := 0; round < rounds; {
		busy, before := false, f.writer.Written()
		for _, one := range b.Holders {
			from, err := peerOf(one)
			if err != nil || e.isBad(from.Node, f.digest) {
				continue
			}
			had := f.writer.Written()
			err = e.read(ctx, f, from)
			if f.writer.Written() > had {
				senders = append(senders, from.Node)
			}
			switch {
			case err == nil:
				return e.arrived(f, senders)
			case ctx.Err() != nil || blobs.Full(err):
				f.writer.Abort()
				return err
			case errors.Is(err, ErrBusy):
				busy = true
				continue
			}
			last = fmt.Errorf("node %s: %w", from.Node, err)
		}
		if busy || f.writer.Written() > before {
			round = 0 // they are at work: waiting helps
		} else {
			round++
		}
		if err := e.Env.Pause(ctx, busyWait); err != nil {
			f.writer.Abort()
			return err
		}
		if now, err := e.blob(ctx, f.digest); err == nil { // others may have it by now
			b = now
		}
	}
	f.writer.Abort()
	if last == nil {
		return fmt.Errorf("blob %s: %w", f.digest, ErrAway)
	}
	return fmt.Errorf("no node gives blob %s: %w", f.digest, last)
}

// arrived keeps a blob that is all here. If it is not what its digest says, whoever sent of it is not asked for it again.
func (e *Exchange) arrived(f *flight, senders []model.ID) error {
	err := f.writer.Commit()
	if !errors.Is(err, blobs.ErrDigest) {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, n := range senders {
		e.bad[sent{n, f.digest}] = true
	}
	return fmt.Errorf("nodes %v sent something else: %w", senders, err)
}

func (e *Exchange) isBad(n model.ID, d model.Digest) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.bad[sent{n, d}]
}

// read takes what one node gives of the rest of a blob.
func (e *Exchange) read(ctx context.Context, f *flight, from Peer) error {
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	watching.Go(func() { e.watch(ctx, cancel, f) })
	r, err := e.Cluster.Fetch(ctx, from, f.digest, f.writer.Written())
	if err != nil {
		return err
	}
	defer r.Close()
	if _, err := io.Copy(progress{f}, r); err != nil {
		return err
	}
	if f.writer.Written() < f.size {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// watch gives a node up that sends nothing for a while.
func (e *Exchange) watch(ctx context.Context, giveUp func(), f *flight) {
	for last := int64(-1); ; {
		f.mu.Lock()
		written := f.written
		f.mu.Unlock()
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
