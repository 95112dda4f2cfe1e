package mirror

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/registry/blobs"
	"github.com/skep-org/skep/internal/registry/records"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

// ErrReadOnly is returned for what would change a mirrored repository.
var ErrReadOnly = errors.New("what begins with " + records.MirrorPrefix + " is a copy of another registry's: push under another name")

func errNotMirrored(repository string) error {
	return fmt.Errorf("%s is of no registry that this node mirrors: %w", repository, store.ErrNotFound)
}

// api is where the registry's API begins.
const api = "/v2/"

// Serve answers a request for a mirrored repository as far as the registry's library cannot. done is false where the library is to
// answer: the request is for something else, or what it is for is here or on its way by now. Whoever is a stranger, without the
// registry's credential, gets by digest what that repository has, and nothing else that is here. store.ErrNotFound, ErrReadOnly.
func (m *Mirror) Serve(w http.ResponseWriter, req *http.Request, stranger bool) (done bool, err error) {
	path, ok := strings.CutPrefix(req.URL.Path, api+records.MirrorPrefix)
	if !ok {
		return false, nil
	}
	parts := strings.Split(path, "/")
	if !strings.ContainsAny(parts[0], ".:") && parts[0] != "localhost" { // no registry's name: the repository is a pushed one
		return false, nil
	}
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		return true, ErrReadOnly
	}
	if len(parts) < 4 { // host, at least one part of a name, what, which
		if stranger {
			return true, errNotMirrored(path)
		}
		return false, nil
	}
	what, which := parts[len(parts)-2], parts[len(parts)-1]
	s := m.source(records.MirrorPrefix + strings.Join(parts[:len(parts)-2], "/"))
	if s != nil && stranger {
		if err := m.allows(req.Context(), s, what, which); err != nil {
			return true, err
		}
	}
	switch {
	case s == nil && stranger:
		return true, errNotMirrored(path)
	case s == nil:
		return false, nil
	case what == "manifests":
		return true, m.serveManifest(w, req, s, which)
	case what == "blobs":
		return m.serveBlob(w, req, s, which)
	case stranger:
		return true, fmt.Errorf("a mirror's %s are not told: %w", what, store.ErrNotFound)
	}
	return false, nil
}

// allows tells whether a repository has what a digest names, by the managers' word or by its registry's.
func (m *Mirror) allows(ctx context.Context, s *source, what, which string) error {
	d, err := model.ParseDigest(which)
	if err != nil {
		return nil //nolint:nilerr // a tag, which is the repository's own
	}
	q := &wire.RegistryQuery{What: wire.RegistryQuery_MANIFEST, Repository: s.repository, Digest: d[:]}
	if what == "blobs" {
		q.What = wire.RegistryQuery_BLOB
	}
	m.mu.Lock()
	_, expected := m.sizes[d]
	m.mu.Unlock()
	if expected {
		return nil
	}
	if _, err := m.opt.Exchange.Cluster.Look(ctx, q); err == nil {
		return nil
	}
	if what == "blobs" {
		_, err = s.size(ctx, d)
	} else {
		_, err = s.resolve(ctx, which)
	}
	return err
}

func (m *Mirror) serveManifest(w http.ResponseWriter, req *http.Request, s *source, which string) error {
	d, raw, err := m.find(req.Context(), s, which)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", mediaType(raw))
	h.Set("Content-Length", strconv.Itoa(len(raw)))
	h.Set("Docker-Content-Digest", d.String())
	h.Set("Etag", `"`+d.String()+`"`)
	if req.Method == http.MethodGet {
		_, _ = w.Write(raw) // the client may be gone
	}
	return nil
}

// mediaType is a manifest's own word, or that of the specification which lets it say nothing.
func mediaType(raw []byte) string {
	var doc struct {
		MediaType string          `json:"mediaType"`
		Manifests json.RawMessage `json:"manifests"`
	}
	_ = json.Unmarshal(raw, &doc) // what is no manifest is refused when it is to be kept, and by who reads it
	switch {
	case doc.MediaType != "":
		return doc.MediaType
	case doc.Manifests != nil:
		return "application/vnd.oci.image.index.v1+json"
	}
	return "application/vnd.oci.image.manifest.v1+json"
}

func (m *Mirror) serveBlob(w http.ResponseWriter, req *http.Request, s *source, which string) (done bool, err error) {
	d, err := model.ParseDigest(which)
	if err != nil {
		return false, nil //nolint:nilerr // the library says what is wrong with it
	}
	ctx := req.Context()
	if _, err := m.opt.Exchange.Stat(ctx, d); err == nil {
		return false, nil
	}
	if req.Method == http.MethodHead {
		size, err := s.size(ctx, d)
		if err == nil {
			w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
			w.Header().Set("Docker-Content-Digest", d.String())
		}
		return true, err
	}
	_, err = m.bring(ctx, s, d, false)
	if errors.Is(err, blobs.ErrFull) {
		m.opt.Logger.Warn("a mirrored image is passed on and not kept", "image", s.repository, "err", err)
		return true, m.pass(ctx, w, s, d)
	}
	return err != nil, err
}

// pass hands a blob on without keeping it.
func (m *Mirror) pass(ctx context.Context, w http.ResponseWriter, s *source, d model.Digest) error {
	size, err := s.size(ctx, d)
	if err != nil {
		return err
	}
	r, err := s.open(ctx, d, size, 0)
	if err != nil {
		return err
	}
	defer r.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	w.Header().Set("Docker-Content-Digest", d.String())
	if _, err := io.Copy(w, r); err != nil {
		m.opt.Logger.Warn("a mirrored image could not be passed on whole", "image", s.repository, "err", err)
		panic(http.ErrAbortHandler) // so that the client sees that it is not whole
	}
	return nil
}
