package layout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"slices"
	"strings"

	storage "github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/distribution/distribution/v3/registry/storage/driver/filesystem"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/registry/blobs"
	"github.com/skep-org/skep/internal/registry/exchange"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

// Name is what the library calls the driver.
const Name = "skep"

// Driver implements the library's storage driver.
type Driver struct {
	exchange *exchange.Exchange
	dir      *blobs.Dir
	uploads  *filesystem.Driver
	at       string // of uploads
}

var _ storage.StorageDriver = (*Driver)(nil)

// uploadThreads bounds the file operations of uploads that go on at once.
const uploadThreads = 64

// New makes a driver whose uploads are below a directory, which is on the blobs' disk.
func New(e *exchange.Exchange, uploads string) *Driver {
	return &Driver{exchange: e, dir: e.Dir, at: uploads,
		uploads: filesystem.New(filesystem.DriverParameters{RootDirectory: uploads, MaxThreads: uploadThreads})}
}

// Name implements storage.StorageDriver.
func (d *Driver) Name() string { return Name }

// GetContent implements storage.StorageDriver.
func (d *Driver) GetContent(ctx context.Context, path string) ([]byte, error) {
	p := placeOf(path)
	switch p.kind {
	case upload:
		return d.uploads.GetContent(ctx, path)
	case blob:
		r, err := d.Reader(ctx, path, 0)
		if err != nil {
			return nil, err
		}
		defer r.Close()
		b, err := io.ReadAll(r)
		return b, noted(ctx, err)
	case layer:
		if _, err := d.exchange.Stat(ctx, p.digest); err != nil {
			return nil, d.lost(ctx, path, err)
		}
		return []byte(p.digest.String()), nil
	case manifest:
		_, err := d.exchange.Cluster.Look(ctx, &wire.RegistryQuery{What: wire.RegistryQuery_MANIFEST, Repository: p.repository, Digest: p.digest[:]})
		return []byte(p.digest.String()), d.lost(ctx, path, err)
	case tag:
		a, err := d.exchange.Cluster.Look(ctx, &wire.RegistryQuery{What: wire.RegistryQuery_TAG, Repository: p.repository, Tag: p.tag})
		if err != nil {
			return nil, d.lost(ctx, path, err)
		}
		if len(a.Digest) != len(model.Digest{}) {
			return nil, noted(ctx, errors.New("a manager's answer about a tag cannot be read"))
		}
		return []byte(model.Digest(a.Digest).String()), nil
	}
	return nil, d.missing(path)
}

// PutContent implements storage.StorageDriver.
func (d *Driver) PutContent(ctx context.Context, path string, content []byte) error {
	p := placeOf(path)
	switch p.kind {
	case upload:
		return noted(ctx, d.uploads.PutContent(ctx, path, content))
	case blob:
		if err := d.dir.Put(p.digest, int64(len(content)), bytes.NewReader(content)); err != nil {
			return noted(ctx, err)
		}
		return noted(ctx, d.exchange.Keep(ctx, p.digest))
	case layer, tagIndex:
		return nil // the blob's own row says it
	case manifest:
		return noted(ctx, d.putManifest(ctx, p))
	case tag:
		to, err := model.ParseDigest(string(content))
		if err != nil {
			return err
		}
		return noted(ctx, d.exchange.Cluster.Record(ctx, &wire.RegistryChange{What: &wire.RegistryChange_Tag{
			Tag: &wire.RegistryTag{Repository: p.repository, Name: p.tag, Digest: to[:]},
		}}))
	}
	return storage.InvalidPathError{Path: path, DriverName: Name}
}

// putManifest has the managers write down what a manifest, which is a blob by now, is made of.
func (d *Driver) putManifest(ctx context.Context, p place) error {
	r, err := d.exchange.Open(ctx, p.digest, 0)
	if err != nil {
		return err
	}
	defer r.Close()
	raw, err := io.ReadAll(io.LimitReader(r, ManifestLimit))
	if err != nil {
		return err
	}
	m, _, err := ReadManifest(raw)
	if err != nil {
		return fmt.Errorf("manifest %s: %w", p.digest, err)
	}
	m.Repository, m.Digest = p.repository, p.digest[:]
	return d.exchange.Cluster.Record(ctx, &wire.RegistryChange{What: &wire.RegistryChange_Manifest{Manifest: m}})
}

// Reader implements storage.StorageDriver.
func (d *Driver) Reader(ctx context.Context, path string, offset int64) (io.ReadCloser, error) {
	p := placeOf(path)
	switch p.kind {
	case upload:
		return d.uploads.Reader(ctx, path, offset)
	case blob:
		r, err := d.exchange.Open(ctx, p.digest, offset)
		return r, d.lost(ctx, path, err)
	}
	return nil, d.missing(path)
}

// Writer implements storage.StorageDriver. Only uploads are written a piece at a time.
func (d *Driver) Writer(ctx context.Context, at string, more bool) (storage.FileWriter, error) {
	if placeOf(at).kind != upload {
		return nil, storage.InvalidPathError{Path: at, DriverName: Name}
	}
	if err := d.dir.Room(0); err != nil {
		return nil, noted(ctx, err)
	}
	w, err := d.uploads.Writer(ctx, at, more)
	if err != nil {
		return nil, noted(ctx, err)
	}
	return &uploadWriter{FileWriter: w, ctx: ctx, dir: d.dir, path: path.Join(d.at, at)}, nil
}

// Stat implements storage.StorageDriver.
func (d *Driver) Stat(ctx context.Context, path string) (storage.FileInfo, error) {
	p := placeOf(path)
	info := storage.FileInfoFields{Path: path}
	switch p.kind {
	case upload:
		return d.uploads.Stat(ctx, path)
	case blob:
		size, err := d.exchange.Stat(ctx, p.digest)
		if err != nil {
			return nil, d.lost(ctx, path, err)
		}
		info.Size = size
	case repoList, tagList, tagDir, manifests:
		info.IsDir = true
	default:
		content, err := d.GetContent(ctx, path)
		if err != nil {
			return nil, err
		}
		info.Size = int64(len(content))
	}
	return storage.FileInfoInternal{FileInfoFields: info}, nil
}

// List implements storage.StorageDriver.
func (d *Driver) List(ctx context.Context, dir string) ([]string, error) {
	p := placeOf(dir)
	switch p.kind {
	case upload:
		return d.uploads.List(ctx, dir)
	case repoList:
		a, err := d.exchange.Cluster.Look(ctx, &wire.RegistryQuery{What: wire.RegistryQuery_REPOSITORIES})
		if err != nil {
			return nil, noted(ctx, err)
		}
		return under(dir, p.repository, a.Names), nil
	case tagList:
		a, err := d.exchange.Cluster.Look(ctx, &wire.RegistryQuery{What: wire.RegistryQuery_TAGS, Repository: p.repository})
		if err != nil {
			return nil, noted(ctx, err)
		}
		if len(a.Names) == 0 {
			return nil, d.missing(dir)
		}
		return under(dir, "", a.Names), nil
	}
	return nil, d.missing(dir)
}

// under lists what a directory has on the way to repositories, or tags: within is the beginning of names that the directory
// stands for.
func under(dir, within string, names []string) (out []string) {
	for _, name := range names {
		rest := name
		if within != "" {
			var ok bool
			if rest, ok = strings.CutPrefix(name+"/", within+"/"); !ok {
				continue
			}
			rest = strings.TrimSuffix(rest, "/")
		}
		if rest == "" {
			rest = "_manifests"
		}
		first, _, _ := strings.Cut(rest, "/")
		out = append(out, path.Join(dir, first))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Move implements storage.StorageDriver: an upload becomes a blob.
func (d *Driver) Move(ctx context.Context, from, to string) error {
	p := placeOf(to)
	if placeOf(from).kind != upload || p.kind != blob {
		return storage.InvalidPathError{Path: to, DriverName: Name}
	}
	// The library has held the upload against the digest.
	if err := d.dir.Adopt(path.Join(d.at, from), p.digest); err != nil {
		return noted(ctx, err)
	}
	return noted(ctx, d.exchange.Keep(ctx, p.digest))
}

// Delete implements storage.StorageDriver.
func (d *Driver) Delete(ctx context.Context, path string) error {
	p := placeOf(path)
	switch p.kind {
	case upload:
		return d.uploads.Delete(ctx, path)
	case tagDir:
		return d.lost(ctx, path, d.exchange.Cluster.Record(ctx, &wire.RegistryChange{What: &wire.RegistryChange_Untag{
			Untag: &wire.RegistryTag{Repository: p.repository, Name: p.tag},
		}}))
	case manifest:
		return d.lost(ctx, path, d.exchange.Cluster.Record(ctx, &wire.RegistryChange{What: &wire.RegistryChange_Remove{
			Remove: &wire.RegistryManifest{Repository: p.repository, Digest: p.digest[:]},
		}}))
	case layer:
		return nil // a blob goes when no manifest is made of it
	}
	return d.missing(path)
}

// RedirectURL implements storage.StorageDriver.
func (d *Driver) RedirectURL(*http.Request, string) (string, error) { return "", nil }

// Walk implements storage.StorageDriver.
func (d *Driver) Walk(ctx context.Context, path string, f storage.WalkFn, options ...func(*storage.WalkOptions)) error {
	return storage.WalkFallback(ctx, d, path, f, options...)
}

func (d *Driver) missing(path string) error {
	return storage.PathNotFoundError{Path: path, DriverName: Name}
}

// lost is the library's error for what is not there, or any other one.
func (d *Driver) lost(ctx context.Context, path string, err error) error {
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, exchange.ErrAway) && !reads(ctx) {
		return d.missing(path)
	}
	return noted(ctx, err)
}
