package layout

import (
	"context"
	"errors"
	"os"
	"sync"

	storage "github.com/distribution/distribution/v3/registry/storage/driver"

	"github.com/skep-org/skep/internal/registry/blobs"
)

// roomEvery is how many bytes of an upload are written before the disk is asked again how much room there is.
const roomEvery = 16 << 20

// Failure holds why a request failed. The library tells its clients no more than that something is unknown.
type Failure struct {
	read bool
	mu   sync.Mutex
	err  error
}

type failureKey struct{}

// WithFailure is a request's context in which the driver says why it failed. read is whether content is wanted: what cannot be
// had just now is a failure then, and to a client that only asks whether it is there it is not, so that it pushes it again.
func WithFailure(ctx context.Context, read bool) (context.Context, *Failure) {
	f := &Failure{read: read}
	return context.WithValue(ctx, failureKey{}, f), f
}

// Err is the first error the driver met; nil: none.
func (f *Failure) Err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// reads tells whether a request wants content.
func reads(ctx context.Context) bool {
	f, ok := ctx.Value(failureKey{}).(*Failure)
	return ok && f.read
}

// noted notes an error that is not the client's own.
func noted(ctx context.Context, err error) error {
	var missing storage.PathNotFoundError
	f, ok := ctx.Value(failureKey{}).(*Failure)
	if err == nil || !ok || errors.As(err, &missing) {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
	}
	return err
}

// uploadWriter stops an upload before the disk is full. What there is of one that was stopped is removed: it would only keep the
// disk full, and who pushes again begins again.
type uploadWriter struct {
	storage.FileWriter
	ctx     context.Context //nolint:containedctx // the request's
	dir     *blobs.Dir
	n       int
	stopped bool
	path    string // of the upload's file
}

func (w *uploadWriter) Write(p []byte) (int, error) {
	if w.n += len(p); w.n >= roomEvery {
		w.n = 0
		if err := w.dir.Room(0); err != nil {
			return 0, w.fail(err)
		}
	}
	n, err := w.FileWriter.Write(p)
	return n, w.fail(err)
}

// Commit implements storage.FileWriter.
func (w *uploadWriter) Commit(ctx context.Context) error { return w.fail(w.FileWriter.Commit(ctx)) }

// Close implements storage.FileWriter.
func (w *uploadWriter) Close() error {
	if w.stopped {
		return nil
	}
	return w.fail(w.FileWriter.Close())
}

func (w *uploadWriter) fail(err error) error {
	err = w.dir.FullOr(err)
	if errors.Is(err, blobs.ErrFull) && !w.stopped {
		w.stopped = true
		_ = w.FileWriter.Cancel(w.ctx) // purged later, if it cannot be
		_ = os.Remove(w.path)
	}
	return noted(w.ctx, err)
}
