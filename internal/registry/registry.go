package registry

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/registry/blobs"
	"github.com/skep-org/skep/internal/registry/exchange"
	"github.com/skep-org/skep/internal/registry/mirror"
)

// Options are what a [Registry] is made of.
type Options struct {
	Addr    string // where it is served: a loopback address:port
	Dir     string // for blobs and uploads
	Copies  int    // how many nodes are to have a blob
	Mirror  Mirrored
	Cluster exchange.Cluster
	Env     env.Env
	Logger  *slog.Logger
}

// Mirrored are the other registries whose images are fetched and kept here.
type Mirrored struct {
	Upstreams   []mirror.Upstream
	Credentials string        // a file as docker login writes it; empty: none
	Fresh       time.Duration // how long a tag is believed without asking its registry
	Addr        string        // a loopback address:port where docker.io's is served as engines' registry-mirrors want it; empty: nowhere
}

// Registry is a node's registry.
type Registry struct {
	opt      Options
	token    string
	secret   string // of the state that uploads in pieces carry
	exchange *exchange.Exchange
	mirror   *mirror.Mirror
	app      func() http.Handler
	serving  atomic.Bool
}

const (
	tokenBytes = 32
	uploadsDir = "uploads"
)

// Open makes a registry of what is in its directory. Close it when done.
func Open(o Options) (*Registry, error) {
	dir, err := blobs.Open(o.Dir)
	if err != nil {
		return nil, err
	}
	token := make([]byte, tokenBytes)
	if _, err := io.ReadFull(o.Env.Rand, token); err != nil {
		return nil, fmt.Errorf("make the registry's credential: %w", err)
	}
	r := &Registry{opt: o, token: hex.EncodeToString(token)}
	if r.secret, err = r.keptSecret(); err != nil {
		return nil, err
	}
	r.exchange = exchange.New(exchange.Options{Cluster: o.Cluster, Dir: dir, Copies: o.Copies, Env: o.Env, Logger: o.Logger})
	r.mirror = mirror.New(mirror.Options{
		Upstreams: o.Mirror.Upstreams, Credentials: o.Mirror.Credentials, Fresh: o.Mirror.Fresh, Exchange: r.exchange, Env: o.Env, Logger: o.Logger,
	})
	r.exchange.Upstream = r.mirror.Fetch
	r.app = sync.OnceValue(r.newApp)
	return r, nil
}

func (r *Registry) uploads() string { return filepath.Join(r.opt.Dir, uploadsDir) }

// Exchange is the registry's part that other nodes reach.
func (r *Registry) Exchange() *exchange.Exchange { return r.exchange }

// Addr is where the registry is served, which is also how its images' names begin; empty: it is not.
func (r *Registry) Addr() string {
	if !r.serving.Load() {
		return ""
	}
	return r.opt.Addr
}

// Close ends what goes on beside requests.
func (r *Registry) Close() {
	r.mirror.Close()
	r.exchange.Close()
}

// Run serves until ctx ends.
func (r *Registry) Run(ctx context.Context) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", r.opt.Addr)
	if err != nil {
		return fmt.Errorf("listen for the cluster's registry at %s: %w; name another address with --registry-addr, the same on every node", r.opt.Addr, err)
	}
	r.serving.Store(true)
	defer r.serving.Store(false)
	r.opt.Logger.Info("serving the cluster's registry", "at", r.opt.Addr)
	g, ctx := errgroup.WithContext(ctx)
	r.serve(ctx, g, l, r)
	if addr := r.opt.Mirror.Addr; addr != "" {
		if l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr); err != nil {
			r.opt.Logger.Error("the mirror of "+mirror.Hub+" is not served for engines; name another address with --registry-mirror-addr", "err", err)
		} else {
			r.opt.Logger.Info("serving the mirror of "+mirror.Hub, "at", addr)
			r.serve(ctx, g, l, http.HandlerFunc(r.serveHub))
		}
	}
	g.Go(func() error { return r.exchange.Tend(ctx) })
	g.Go(func() error { return r.purge(ctx) })
	return g.Wait()
}

// serve answers at a listener until ctx ends.
func (r *Registry) serve(ctx context.Context, g *errgroup.Group, l net.Listener, h http.Handler) {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, ErrorLog: slog.NewLogLogger(r.opt.Logger.Handler(), slog.LevelDebug)}
	g.Go(func() error {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve the cluster's registry: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		return srv.Close()
	})
}
