package exchange

import (
	"context"
	"io"
	"slices"
	"sync"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/registry/blobs"
)

const (
	// smallBlob is one whose transfer costs less than finding another node for it.
	smallBlob = 1 << 20
	// givenAtOnce is to how many others a node gives a small blob at a time, or any other one that is urgent.
	givenAtOnce = 8
)

// Serve opens a blob for another node, which must be here or on its way here: blobs.ErrNotFound, a [BusyError]. It is to be closed.
//
// A blob is given to one other node at a time, and that one gives it on as it comes: so all that want it are a chain, each
// of which receives and sends it once, as fast as the links are.
func (e *Exchange) Serve(ctx context.Context, to model.ID, r Request) (io.ReadCloser, error) {
	if err := e.upstream(ctx, r); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	f := e.flights[r.Blob]
	if f != nil && r.Mirror != "" {
		f.direct.Store(true)
	}
	var body io.ReadCloser
	var size int64
	var err error
	switch {
	case f == nil:
		body, size, err = e.whole(r)
	case f.has() <= r.Offset: // so no two of a chain wait for each other: who gives has more than who asks
		err = &BusyError{To: slices.Clone(e.giving[r.Blob])}
	default:
		size = f.size
		body, err = e.follow(ctx, f, r.Offset)
	}
	if err != nil {
		return nil, err
	}
	most := 1
	if size <= smallBlob || r.Urgent {
		most = givenAtOnce
	}
	if now := e.giving[r.Blob]; len(now) >= most {
		_ = body.Close()
		return nil, &BusyError{To: slices.Clone(now)}
	}
	e.giving[r.Blob] = append(e.giving[r.Blob], to)
	return &served{ReadCloser: body, e: e, to: to, d: r.Blob}, nil
}

// upstream has a blob of a mirrored repository come here, if it is not here already.
func (e *Exchange) upstream(ctx context.Context, r Request) error {
	if r.Mirror == "" || e.Upstream == nil {
		return nil
	}
	if _, coming := e.coming(r.Blob); coming {
		return nil
	}
	if _, err := e.Dir.Size(r.Blob); err == nil {
		return nil
	}
	return e.Upstream(ctx, r.Mirror, r.Blob)
}

// whole opens a blob that is in the directory.
func (e *Exchange) whole(r Request) (io.ReadCloser, int64, error) {
	f, err := e.Dir.Get(r.Blob)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && r.Offset > info.Size() {
		err = blobs.ErrNotFound
	}
	if err == nil {
		_, err = f.Seek(r.Offset, io.SeekStart)
	}
	if err != nil {
		_ = f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// served is a blob on its way to another node.
type served struct {
	io.ReadCloser
	e    *Exchange
	to   model.ID
	d    model.Digest
	once sync.Once
}

func (s *served) Close() error {
	s.once.Do(func() {
		s.e.mu.Lock()
		defer s.e.mu.Unlock()
		left := s.e.giving[s.d]
		if i := slices.Index(left, s.to); i >= 0 {
			left = slices.Delete(left, i, i+1)
		}
		if s.e.giving[s.d] = left; len(left) == 0 {
			delete(s.e.giving, s.d)
		}
	})
	return s.ReadCloser.Close()
}
