package mirror

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/registry/exchange"
	"github.com/skep-org/skep/internal/registry/records"
	"github.com/skep-org/skep/internal/wire"
)

// Options are what a [Mirror] is made of.
type Options struct {
	Upstreams   []Upstream
	Credentials string        // a file as docker login writes it; empty: none
	Fresh       time.Duration // how long a tag is believed without asking its registry
	Exchange    *exchange.Exchange
	Env         env.Env
	Logger      *slog.Logger
}

// Mirror fetches what other registries have. Its methods may be called from anywhere.
type Mirror struct {
	opt       Options
	client    *auth.Client
	transport *http.Transport
	life      context.Context //nolint:containedctx // of what outlives the request that began it
	end       context.CancelFunc
	wg        sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	asked   map[string]time.Time                      // when a tag was asked of its registry last
	keeping map[string]bool                           // images that are being kept
	sizes   map[model.Digest]int64                    // of blobs that are to come
	lists   map[model.Digest][]*wire.RegistryManifest // of an image that was not here: the lists with it
}

// remembered bounds what is kept in memory; what is forgotten is asked again, or written at the next use.
const remembered = 10_000

// New makes a mirror that has to be closed.
func New(o Options) *Mirror {
	life, end := context.WithCancel(context.Background())
	t := newTransport()
	m := &Mirror{opt: o, transport: t, life: life, end: end, asked: map[string]time.Time{}, keeping: map[string]bool{}, sizes: map[model.Digest]int64{}, lists: map[model.Digest][]*wire.RegistryManifest{}}
	m.client = &auth.Client{Client: &http.Client{Transport: t}, Credential: credentialsOf(o.Credentials), Cache: auth.NewCache()}
	return m
}

// Close ends all that goes on.
func (m *Mirror) Close() {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.end()
	m.wg.Wait()
	m.transport.CloseIdleConnections()
}

// source is the repository of another registry that a mirrored repository here stands for; nil: none that this node mirrors.
func (m *Mirror) source(repository string) *source {
	host, name, ok := strings.Cut(strings.TrimPrefix(repository, records.MirrorPrefix), "/")
	if !ok || !strings.HasPrefix(repository, records.MirrorPrefix) {
		return nil
	}
	for _, u := range m.opt.Upstreams {
		if u.Host != host {
			continue
		}
		if host == Hub && !strings.Contains(name, "/") {
			name = "library/" + name
		}
		s := &source{upstream: u, name: name, repository: records.MirrorPrefix + host + "/" + name, client: m.client}
		if (registry.Reference{Registry: u.At, Repository: name}).ValidateRepository() != nil {
			return nil
		}
		return s
	}
	return nil
}

// Fetch has a blob come here for another node, by the name of the mirrored repository that has it. It is exchange's Upstream.
func (m *Mirror) Fetch(ctx context.Context, repository string, d model.Digest) error {
	s := m.source(repository)
	if s == nil {
		return errNotMirrored(repository)
	}
	_, err := m.bring(ctx, s, d, true)
	return err
}

// bring has a blob come here that the cluster has not got.
func (m *Mirror) bring(ctx context.Context, s *source, d model.Digest, forOther bool) (wait func(context.Context) error, err error) {
	if _, err := m.opt.Exchange.Stat(ctx, d); err == nil && !forOther {
		return m.opt.Exchange.Arrival(d), nil
	}
	m.mu.Lock()
	size, known := m.sizes[d]
	m.mu.Unlock()
	if !known {
		if size, err = s.size(ctx, d); err != nil {
			return nil, err
		}
	}
	from := exchange.Source{Mirror: s.repository, Size: size, Open: func(ctx context.Context, offset int64) (r io.ReadCloser, err error) {
		return s.open(ctx, d, size, offset)
	}}
	return m.opt.Exchange.Bring(ctx, d, from, forOther)
}
