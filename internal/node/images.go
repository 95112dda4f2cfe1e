package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/node/remote"
	"github.com/skep-org/skep/internal/registry"
	"github.com/skep-org/skep/internal/registry/exchange"
	"github.com/skep-org/skep/internal/registry/records"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

const (
	// registryDir is below the membership's directory: a node that leaves its cluster leaves its images.
	registryDir = "registry"
	// recordTries is how often a change of the registry is decided anew because another one came first.
	recordTries = 20
	// serveRetry is how soon a node tells the managers again that it has a registry when they could not be told, at first;
	// serveAgain, how soon when they were: they may have been given an older state since.
	serveRetry = 5 * time.Second
	serveAgain = 30 * time.Minute
)

// openRegistry makes the node's registry; nil: it is to have none.
func (m *member) openRegistry() error {
	if m.cfg.RegistryAddr == "" {
		return nil
	}
	upstreams, err := m.cfg.mirrors()
	if err != nil {
		return err
	}
	r, err := registry.Open(registry.Options{
		Mirror: registry.Mirrored{
			Upstreams: upstreams, Credentials: m.cfg.RegistryMirrorCredentials, Fresh: m.cfg.RegistryMirrorRevalidate, Addr: m.cfg.RegistryMirrorAddr,
		},
		Addr: m.cfg.RegistryAddr, Dir: filepath.Join(m.dir(), registryDir), Copies: m.cfg.RegistryCopies,
		Cluster: images{m}, Env: m.env, Logger: m.logger,
	})
	if err != nil {
		return err
	}
	m.registry = r
	return nil
}

// serveRegistry serves the node's registry until ctx ends. One that cannot be served is no reason for the node not to take part.
func (m *member) serveRegistry(ctx context.Context) error {
	if m.registry == nil {
		m.offerRegistry(ctx, "")
		return ctx.Err()
	}
	defer m.registry.Close()
	serving, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.offerRegistry(serving, m.membership().AdvertiseAddr)
	}()
	err := m.registry.Run(ctx)
	stop()
	<-done
	if ctx.Err() != nil {
		return ctx.Err()
	}
	m.logger.Error("this node goes on without a registry", "err", err)
	m.offerRegistry(ctx, "")
	return ctx.Err()
}

// offerRegistry tells the managers where other nodes reach this one's registry, again and again until ctx ends; empty: nowhere.
func (m *member) offerRegistry(ctx context.Context, addr string) {
	for retry := serveRetry; ctx.Err() == nil; {
		wait := serveAgain
		if err := (images{m}).Record(ctx, &wire.RegistryChange{What: &wire.RegistryChange_Serve{Serve: addr}}); err != nil {
			m.logger.Debug("the managers do not know yet whether this node has a registry", "err", err)
			wait, retry = retry, min(2*retry, serveAgain)
		}
		_ = m.env.Pause(ctx, wait) // the loop looks at ctx
	}
}

// registryAuth is the credential for an image of the cluster's registry; empty for another one's.
func (m *member) registryAuth(image string) string {
	if m.registry == nil {
		return ""
	}
	return m.registry.Auth(image)
}

// handlers are what the node answers others; p is nil while it is no manager.
func (m *member) handlers(p *part) remote.Handlers {
	h := remote.Handlers{}
	if p != nil {
		h = p.handlers()
	}
	if m.registry != nil {
		h.Blobs = m.registry.Exchange()
	}
	return h
}

// images is the cluster as a node's registry reaches it. It implements [exchange.Cluster].
type images struct{ m *member }

var _ exchange.Cluster = images{}

func (i images) Look(ctx context.Context, q *wire.RegistryQuery) (*wire.RegistryAnswer, error) {
	if p := i.m.manager(); p != nil {
		return registryDesk{p}.Look(ctx, i.m.membership().Node, q)
	}
	var a *wire.RegistryAnswer
	err := i.ask(func(to remote.Manager) (err error) {
		a, err = i.m.dialer.LookRegistry(ctx, to, q)
		return err
	})
	return a, err
}

func (i images) Record(ctx context.Context, c *wire.RegistryChange) error {
	if p := i.m.manager(); p != nil {
		return registryDesk{p}.Record(ctx, i.m.membership().Node, c)
	}
	return i.ask(func(to remote.Manager) error { return i.m.dialer.RecordRegistry(ctx, to, c) })
}

// ask asks the managers one after the other, until one has an answer. Asking twice does no harm.
func (i images) ask(call func(remote.Manager) error) error {
	var errs []error
	for _, to := range leaderFirst(i.m.managers()) {
		err := call(to)
		if err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrInUse) {
			return err
		}
		errs = append(errs, err)
	}
	if len(errs) == 0 {
		return errors.New("this node knows no manager's address")
	}
	return fmt.Errorf("no manager answers for the cluster's registry: %w", errors.Join(errs...))
}

func (i images) Fetch(ctx context.Context, from exchange.Peer, r exchange.Request) (io.ReadCloser, error) {
	return i.m.dialer.FetchBlob(ctx, from, r)
}

func (i images) Give(ctx context.Context, to exchange.Peer, d model.Digest, size int64, body io.Reader) error {
	return i.m.dialer.GiveBlob(ctx, to, d, size, body)
}

// registryDesk answers for the cluster's registry. It implements [remote.Registry].
type registryDesk struct{ p *part }

var _ remote.Registry = registryDesk{}

func (d registryDesk) Look(ctx context.Context, node model.ID, q *wire.RegistryQuery) (*wire.RegistryAnswer, error) {
	v, err := d.p.front.Fresh(ctx)
	if err != nil {
		return nil, err
	}
	return records.Answer(v, node, q, d.p.env.Now())
}

func (d registryDesk) Record(ctx context.Context, node model.ID, c *wire.RegistryChange) error {
	var err error
	for range recordTries {
		var v store.View
		if v, err = d.p.front.Fresh(ctx); err != nil {
			return err
		}
		var b *store.Batch
		if b, err = records.Change(v, node, c); err != nil || b == nil {
			return err
		}
		if _, err = d.p.front.Commit(b).Wait(ctx); !decideAnew(err) {
			return err
		}
	}
	return err
}

// decideAnew tells whether a change was refused because another one came first, or may have been written: the rows as they are
// now say what is left to do.
func decideAnew(err error) bool {
	for _, is := range []error{store.ErrConflict, store.ErrNotFound, store.ErrExists, store.ErrUnknownOutcome} {
		if errors.Is(err, is) {
			return true
		}
	}
	return false
}

// sweepEvery is how often a leader looks for images that nobody refers to, sweepGrace how long they are kept.
const (
	sweepEvery = time.Hour
	sweepGrace = 24 * time.Hour
)

// sweepImages deletes what nobody has referred to for a while, again and again while this manager leads.
func (p *part) sweepImages(ctx context.Context) error {
	for {
		if err := p.env.Pause(ctx, sweepEvery); err != nil {
			return err
		}
		// What could not be deleted now is found the next time.
		_, _ = registryDesk{p}.sweep(ctx, sweepGrace)
	}
}

// sweep deletes the manifests and blobs nobody has referred to for as long as grace: first manifests, lists before what is on
// them, so that a blob's row goes only when no manifest names it.
func (d registryDesk) sweep(ctx context.Context, grace time.Duration) (records.Swept, error) {
	for {
		v, err := d.p.front.Fresh(ctx)
		if err != nil {
			return records.Swept{}, err
		}
		s := records.SweepManifests(v, d.p.env.Now(), grace)
		if len(s.Batches) == 0 {
			break
		}
		if err := d.commit(ctx, s.Batches); err != nil {
			return records.Swept{}, err
		}
	}
	v, err := d.p.front.Fresh(ctx)
	if err != nil {
		return records.Swept{}, err
	}
	s := records.SweepBlobs(v, d.p.env.Now(), grace)
	return s, d.commit(ctx, s.Batches)
}

// commit carries batches out, each for itself.
func (d registryDesk) commit(ctx context.Context, batches []*store.Batch) error {
	var errs []error
	for _, b := range batches {
		if _, err := d.p.front.Commit(b).Wait(ctx); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
