package blobs

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"os"

	"github.com/skep-org/skep/internal/model"
)

// Writer is a blob on its way. It belongs to one goroutine and ends with Commit or Abort; its file may be read meanwhile, up to
// what was written.
type Writer struct {
	dir    *Dir
	file   *os.File
	hash   hash.Hash
	digest model.Digest
	size   int64
	n      int64
}

// Create begins a blob of a size.
func (d *Dir) Create(b model.Digest, size int64) (*Writer, error) {
	if err := d.Room(size); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(d.coming(), "")
	if err != nil {
		return nil, d.FullOr(err)
	}
	return &Writer{dir: d, file: f, hash: sha256.New(), digest: b, size: size}, nil
}

// Write implements io.Writer.
func (w *Writer) Write(p []byte) (int, error) {
	if w.n+int64(len(p)) > w.size {
		return 0, fmt.Errorf("%w: more than the %d bytes of %s came", ErrDigest, w.size, w.digest)
	}
	n, err := w.file.Write(p)
	_, _ = w.hash.Write(p[:n]) // never fails
	w.n += int64(n)
	return n, w.dir.FullOr(err)
}

// Written is how much there is.
func (w *Writer) Written() int64 { return w.n }

// Open opens what there is, for another goroutine to read.
func (w *Writer) Open() (*os.File, error) { return os.Open(w.file.Name()) }

// Commit keeps the blob, if it is what its digest says.
func (w *Writer) Commit() error {
	if w.n != w.size || model.Digest(w.hash.Sum(nil)) != w.digest {
		w.Abort()
		return fmt.Errorf("%w: %d bytes came for %s", ErrDigest, w.n, w.digest)
	}
	err := w.file.Sync()
	if cerr := w.file.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = w.dir.name(w.file.Name(), w.digest)
	}
	if err != nil {
		_ = os.Remove(w.file.Name())
	}
	return w.dir.FullOr(err)
}

// Abort gives the blob up.
func (w *Writer) Abort() {
	_ = w.file.Close()
	_ = os.Remove(w.file.Name())
}
