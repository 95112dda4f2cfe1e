package mirror

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/registry/layout"
	"github.com/skep-org/skep/internal/store"
)

// Hub is the registry of images whose names say none; its engines' name.
const Hub = "docker.io"

// Upstream is a registry that is mirrored.
type Upstream struct {
	Host  string // as images name it
	At    string // host or host:port where it is reached
	Plain bool   // by HTTP
}

// ParseUpstream reads HOST, or HOST=URL where the registry is reached elsewhere or by plain HTTP.
func ParseUpstream(s string) (Upstream, error) {
	host, at, elsewhere := strings.Cut(s, "=")
	if err := (registry.Reference{Registry: host}).ValidateRegistry(); err != nil || host == "" {
		return Upstream{}, fmt.Errorf("%q is no registry such as %s, or %s=https://registry.example.org", s, Hub, Hub)
	}
	u := Upstream{Host: host, At: host}
	if !elsewhere {
		return u, nil
	}
	to, err := url.Parse(at)
	if err != nil || to.Host == "" || to.Scheme != "http" && to.Scheme != "https" || strings.Trim(to.Path, "/") != "" || to.RawQuery != "" || to.User != nil {
		return Upstream{}, fmt.Errorf("%q in %q is no address such as https://registry.example.org", at, s)
	}
	u.At, u.Plain = to.Host, to.Scheme == "http"
	return u, nil
}

const (
	// askLimit bounds a question to another registry, and how long it may say nothing before its answer begins.
	askLimit = 20 * time.Second
	dialWait = 5 * time.Second
)

// newTransport is HTTP's own, but that a registry which cannot be reached is given up soon: what is here is served then.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: dialWait}).DialContext,
		ForceAttemptHTTP2:   true,
		TLSHandshakeTimeout: dialWait, ResponseHeaderTimeout: askLimit,
		IdleConnTimeout: time.Minute, MaxIdleConnsPerHost: 8,
	}
}

// credentialsOf reads a docker configuration's credentials, when they are needed; no file: there are none.
func credentialsOf(file string) auth.CredentialFunc {
	if file == "" {
		return nil
	}
	return func(ctx context.Context, host string) (auth.Credential, error) {
		s, err := credentials.NewFileStore(file)
		if err != nil {
			return auth.Credential{}, fmt.Errorf("read the credentials of mirrored registries: %w", err)
		}
		return credentials.Credential(s)(ctx, host)
	}
}

// source is one repository of another registry.
type source struct {
	upstream   Upstream
	name       string // there
	repository string // here
	client     *auth.Client
}

func (s *source) remote() *remote.Repository {
	return &remote.Repository{Client: s.client, PlainHTTP: s.upstream.Plain, Reference: registry.Reference{Registry: s.upstream.At, Repository: s.name}}
}

// said is an error of the other registry, which knows what is not there.
func (s *source) said(what string, err error) error {
	if errors.Is(err, errdef.ErrNotFound) {
		return fmt.Errorf("%s has no %s of %s: %w", s.upstream.Host, what, s.name, store.ErrNotFound)
	}
	return fmt.Errorf("ask %s for %s of %s: %w", s.upstream.Host, what, s.name, err)
}

// resolve asks which manifest a tag names.
func (s *source) resolve(ctx context.Context, tag string) (model.Digest, error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	desc, err := s.remote().Manifests().Resolve(ctx, tag)
	if err != nil {
		return model.Digest{}, s.said("tag "+tag, err)
	}
	return model.ParseDigest(desc.Digest.String())
}

// manifest reads a manifest.
func (s *source) manifest(ctx context.Context, d model.Digest) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	_, r, err := s.remote().Manifests().FetchReference(ctx, d.String())
	if err != nil {
		return nil, s.said("manifest "+d.String(), err)
	}
	defer r.Close()
	raw, err := io.ReadAll(io.LimitReader(r, layout.ManifestLimit+1))
	switch {
	case err != nil:
		return nil, s.said("manifest "+d.String(), err)
	case len(raw) > layout.ManifestLimit:
		return nil, fmt.Errorf("manifest %s of %s is longer than %d bytes", d, s.repository, layout.ManifestLimit)
	case model.DigestOf(raw) != d:
		return nil, fmt.Errorf("%s sent something else as manifest %s of %s", s.upstream.Host, d, s.name)
	}
	return raw, nil
}

// size asks how long a blob is.
func (s *source) size(ctx context.Context, d model.Digest) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	desc, err := s.remote().Blobs().Resolve(ctx, d.String())
	if err != nil {
		return 0, s.said("blob "+d.String(), err)
	}
	return desc.Size, nil
}

// open reads a blob from an offset on.
func (s *source) open(ctx context.Context, d model.Digest, size, offset int64) (io.ReadCloser, error) {
	r, err := s.remote().Blobs().Fetch(ctx, ocispec.Descriptor{Digest: digest.Digest(d.String()), Size: size})
	if err != nil {
		return nil, s.said("blob "+d.String(), err)
	}
	if seeker, ok := r.(io.Seeker); ok {
		_, err = seeker.Seek(offset, io.SeekStart)
	} else {
		_, err = io.CopyN(io.Discard, r, offset)
	}
	if err != nil {
		_ = r.Close()
		return nil, s.said("the rest of blob "+d.String(), err)
	}
	return r, nil
}
