package blobs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/skep-org/skep/internal/durable"
	"github.com/skep-org/skep/internal/model"
)

// Reserve is what is left free on the disk: the engine and the daemon itself live on it.
const Reserve = 128 << 20

var (
	// ErrNotFound is returned for a blob that is not on this node.
	ErrNotFound = errors.New("the blob is not on this node")
	// ErrFull is returned when the disk has no room.
	ErrFull = errors.New("the registry's disk is full")
	// ErrDigest is returned for content that is not its digest's.
	ErrDigest = errors.New("the content does not match its digest")
)

// Names below the directory.
const (
	keptDir   = "blobs"
	comingDir = "coming"
)

// Dir is the directory of a node's blobs. Its methods may be called from anywhere.
type Dir struct {
	// Free tells how many bytes are free at a path; Open sets it to ask the system.
	Free func(path string) (uint64, error)
	// Host names the node in what is said of its disk; Open sets it to the system's name.
	Host string
	path string
	mu   sync.Mutex // of what puts a name in place, makes it young or takes it away
}

// Open makes the directory where it is missing, and removes what was on its way when the daemon ended.
func Open(path string) (*Dir, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("ask for this machine's name: %w", err)
	}
	d := &Dir{path: path, Free: free, Host: host}
	if err := os.RemoveAll(d.coming()); err != nil {
		return nil, fmt.Errorf("remove unfinished blobs: %w", err)
	}
	for _, dir := range []string{d.kept(), d.coming()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make the registry's directory: %w", err)
		}
	}
	return d, nil
}

func (d *Dir) kept() string   { return filepath.Join(d.path, keptDir) }
func (d *Dir) coming() string { return filepath.Join(d.path, comingDir) }

// at is where a blob is kept; the first byte spreads the files over directories.
func (d *Dir) at(b model.Digest) string {
	hex := b.String()[len("sha256:"):]
	return filepath.Join(d.kept(), hex[:2], hex)
}

// Get opens a blob. It is to be closed.
func (d *Dir) Get(b model.Digest) (*os.File, error) {
	f, err := os.Open(d.at(b))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotFound
	}
	return f, err
}

// Size tells how long a blob is.
func (d *Dir) Size(b model.Digest) (int64, error) {
	info, err := os.Stat(d.at(b))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, ErrNotFound
	}
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Adopt takes a file whose digest is known to be right, from the same disk.
func (d *Dir) Adopt(path string, b model.Digest) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	err = f.Sync()
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return d.FullOr(err)
	}
	return d.name(path, b)
}

func (d *Dir) name(path string, b model.Digest) error {
	to := d.at(b)
	dir := filepath.Dir(to)
	if err := os.Mkdir(dir, 0o700); err == nil {
		if err := durable.SyncDir(d.kept()); err != nil {
			return err
		}
	} else if !errors.Is(err, fs.ErrExist) {
		return d.FullOr(err)
	}
	d.mu.Lock()
	err := os.Rename(path, to)
	d.mu.Unlock()
	if err != nil {
		return d.FullOr(err)
	}
	return durable.SyncDir(dir)
}

// Touch makes a blob one that has just come; ErrNotFound where there is none.
func (d *Dir) Touch(b model.Digest, now time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := os.Chtimes(d.at(b), now, now)
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNotFound
	}
	return err
}

// RemoveOld deletes a blob unless it has come, or was touched, since; there being none is no error.
func (d *Dir) RemoveOld(b model.Digest, since time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	info, err := os.Stat(d.at(b))
	if err == nil && info.ModTime().Before(since) {
		err = os.Remove(d.at(b))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Kept is a blob on the disk.
type Kept struct {
	Digest model.Digest
	Size   int64
	Since  time.Time
}

// List lists the blobs. A file that bears no digest's name is left out.
func (d *Dir) List() (out []Kept, err error) {
	err = filepath.WalkDir(d.kept(), func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := model.ParseDigest("sha256:" + e.Name())
		if err != nil {
			return nil //nolint:nilerr // not ours
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			out = append(out, Kept{Digest: b, Size: info.Size(), Since: info.ModTime()})
		}
		return err
	})
	return out, err
}

// Room returns ErrFull when the disk cannot take so many bytes more.
func (d *Dir) Room(bytes int64) error {
	left, err := d.Free(d.path)
	if err != nil {
		return fmt.Errorf("ask how much of the registry's disk is free: %w", err)
	}
	if left < Reserve+uint64(max(0, bytes)) {
		return d.full(left)
	}
	return nil
}

func (d *Dir) full(left uint64) error {
	return fmt.Errorf("%w: on node %s %d MB are free at %s, of which %d MB are kept back; free some there, or remove images with skep image rm and skep image gc",
		ErrFull, d.Host, left>>20, d.path, Reserve>>20)
}

func free(path string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, err
	}
	return st.Bavail * uint64(st.Bsize), nil
}

// FullOr is ErrFull, with what to do, where the error of a write is that of a full disk, and otherwise that error.
func (d *Dir) FullOr(err error) error {
	if !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.EDQUOT) {
		return err
	}
	left, _ := d.Free(d.path) // it is said with the rest
	return fmt.Errorf("%w (%w)", d.full(left), err)
}

// Put keeps content whose digest is b.
func (d *Dir) Put(b model.Digest, size int64, r io.Reader) error {
	w, err := d.Create(b, size)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, r); err != nil {
		w.Abort()
		return err
	}
	return w.Commit()
}
