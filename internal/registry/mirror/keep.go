package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/registry/blobs"
	"github.com/skep-org/skep/internal/registry/layout"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

const (
	// usedEvery is how often it is written down that an image is used.
	usedEvery = 24 * time.Hour
	// fetchedAtOnce bounds the blobs of one image that are fetched at a time.
	fetchedAtOnce = 3
)

// find returns the manifest that a tag or digest names, and has it kept.
func (m *Mirror) find(ctx context.Context, s *source, which string) (d model.Digest, raw []byte, err error) {
	tag := ""
	if d, err = model.ParseDigest(which); err != nil {
		tag = which
		if d, err = m.resolve(ctx, s, tag); err != nil {
			return d, nil, err
		}
	}
	if raw, err = m.ours(ctx, d); err == nil {
		m.keep(s, tag, d, raw)
		return d, raw, nil
	}
	if raw, err = s.manifest(ctx, d); err != nil {
		return d, nil, err
	}
	err = m.opt.Exchange.Take(ctx, d, int64(len(raw)), bytes.NewReader(raw))
	switch {
	case errors.Is(err, blobs.ErrFull):
		m.opt.Logger.Warn("a mirrored image is passed on and not kept", "image", s.repository, "err", err)
	case err != nil:
		return d, nil, err
	default:
		m.keep(s, tag, d, raw)
	}
	return d, raw, nil
}

// resolve tells which manifest a tag names: by its registry's word, if that was not asked just now and can be.
func (m *Mirror) resolve(ctx context.Context, s *source, tag string) (model.Digest, error) {
	here, _, errHere := m.look(ctx, &wire.RegistryQuery{What: wire.RegistryQuery_TAG, Repository: s.repository, Tag: tag})
	name := s.repository + ":" + tag
	m.mu.Lock()
	asked, ever := m.asked[name]
	m.mu.Unlock()
	if now := m.opt.Env.Now(); errHere == nil && ever && now.Sub(asked) < m.opt.Fresh {
		return here, nil
	}
	d, err := s.resolve(ctx, tag)
	switch {
	case err == nil:
		m.mu.Lock()
		defer m.mu.Unlock()
		if len(m.asked) >= remembered {
			clear(m.asked)
		}
		m.asked[name] = m.opt.Env.Now()
		return d, nil
	case errHere == nil && !errors.Is(err, store.ErrNotFound) && ctx.Err() == nil:
		m.opt.Logger.Warn("a mirrored registry could not be asked; what is here is served", "image", name, "err", err)
		return here, nil
	}
	return d, err
}

// look asks the managers for a tag or manifest, and when it was written.
func (m *Mirror) look(ctx context.Context, q *wire.RegistryQuery) (d model.Digest, written time.Time, err error) {
	a, err := m.opt.Exchange.Cluster.Look(ctx, q)
	if err != nil {
		return d, written, err
	}
	if len(a.Digest) != len(d) {
		return d, written, errors.New("a manager's answer about an image cannot be read")
	}
	return model.Digest(a.Digest), time.Unix(0, a.Updated), nil
}

// ours reads a manifest that the cluster has.
func (m *Mirror) ours(ctx context.Context, d model.Digest) ([]byte, error) {
	if _, err := m.opt.Exchange.Stat(ctx, d); err != nil {
		return nil, err
	}
	r, err := m.opt.Exchange.Open(ctx, d, 0)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	raw, err := io.ReadAll(io.LimitReader(r, layout.ManifestLimit))
	if err == nil && model.DigestOf(raw) != d {
		err = blobs.ErrDigest
	}
	return raw, err
}

// keep has an image kept, in its own time.
func (m *Mirror) keep(s *source, tag string, d model.Digest, raw []byte) {
	name := s.repository + ":" + tag + "@" + d.String()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || m.keeping[name] {
		return
	}
	m.keeping[name] = true
	m.wg.Go(func() {
		err := m.complete(m.life, s, tag, d, bytes.Clone(raw))
		m.mu.Lock()
		delete(m.keeping, name)
		m.mu.Unlock()
		if err != nil && m.life.Err() == nil {
			m.opt.Logger.Warn("a mirrored image could not be kept; it is tried again when it is pulled again", "image", name, "err", err)
		}
	})
}

// complete fetches what of an image is not here, and has the managers write it down, unless they did lately.
func (m *Mirror) complete(ctx context.Context, s *source, tag string, d model.Digest, raw []byte) error {
	if m.kept(ctx, s, tag, d) {
		return nil
	}
	row, sizes, err := layout.ReadManifest(raw)
	if err != nil {
		return fmt.Errorf("manifest %s: %w", d, err)
	}
	row.Repository, row.Digest, row.Mirrored = s.repository, d[:], true
	if err := m.fetch(ctx, s, row, sizes); err != nil {
		return err
	}
	if err := m.opt.Exchange.Cluster.Record(ctx, &wire.RegistryChange{What: &wire.RegistryChange_Manifest{Manifest: row}}); err != nil {
		return err
	}
	for _, list := range m.listed(d, row) {
		if err := m.opt.Exchange.Cluster.Record(ctx, &wire.RegistryChange{What: &wire.RegistryChange_Manifest{Manifest: list}}); err != nil {
			return err
		}
	}
	if tag == "" {
		return nil
	}
	return m.opt.Exchange.Cluster.Record(ctx, &wire.RegistryChange{What: &wire.RegistryChange_Tag{
		Tag: &wire.RegistryTag{Repository: s.repository, Name: tag, Digest: d[:]},
	}})
}

// kept tells whether it is written down that an image is used.
func (m *Mirror) kept(ctx context.Context, s *source, tag string, d model.Digest) bool {
	q := &wire.RegistryQuery{What: wire.RegistryQuery_TAG, Repository: s.repository, Tag: tag}
	if tag == "" {
		q = &wire.RegistryQuery{What: wire.RegistryQuery_MANIFEST, Repository: s.repository, Digest: d[:]}
	}
	is, written, err := m.look(ctx, q)
	return err == nil && is == d && m.opt.Env.Now().Sub(written) < usedEvery
}

// fetch has an image's blobs come here that the cluster has not got.
func (m *Mirror) fetch(ctx context.Context, s *source, row *wire.RegistryManifest, sizes map[model.Digest]int64) error {
	m.mu.Lock()
	for d, size := range sizes {
		m.sizes[d] = size
	}
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		for d := range sizes {
			delete(m.sizes, d)
		}
	}()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(fetchedAtOnce)
	for _, b := range row.Blobs {
		g.Go(func() error {
			wait, err := m.bring(ctx, s, model.Digest(b), false)
			if err != nil {
				return err
			}
			return wait(ctx)
		})
	}
	return g.Wait()
}

// listed returns the lists that an image is on, to be written anew now that it is here; a list is remembered for its images.
func (m *Mirror) listed(d model.Digest, row *wire.RegistryManifest) []*wire.RegistryManifest {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.lists) >= remembered {
		clear(m.lists)
	}
	for _, child := range row.Manifests {
		m.lists[model.Digest(child)] = append(m.lists[model.Digest(child)], row)
	}
	lists := m.lists[d]
	delete(m.lists, d)
	return lists
}
