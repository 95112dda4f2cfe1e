package node

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/distribution/reference"

	"github.com/skep-org/skep/internal/api"
	"github.com/skep-org/skep/internal/api/httperr"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/registry"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

var _ api.Images = (*cluster)(nil)

// registryHere is this node's registry; nil: it has none.
func (c *cluster) registryHere() *registry.Registry {
	if m := c.current(); m != nil && m.failure() == nil {
		return m.registry
	}
	return nil
}

// RegistryAddr implements [api.Images].
func (c *cluster) RegistryAddr() string {
	if r := c.registryHere(); r != nil {
		return r.Addr()
	}
	return ""
}

// RegistryAuth implements [api.Images].
func (c *cluster) RegistryAuth(image string) string {
	if r := c.registryHere(); r != nil {
		return r.Auth(image)
	}
	return ""
}

// BuildAuth implements [api.Images].
func (c *cluster) BuildAuth(header string) (string, error) {
	if r := c.registryHere(); r != nil {
		return r.BuildAuth(header)
	}
	return header, nil
}

// ListImages implements [api.Images].
func (c *cluster) ListImages(ctx context.Context) ([]api.Image, error) {
	m := c.current()
	if m == nil {
		return nil, errNoMember
	}
	a, err := images{m}.Look(ctx, &wire.RegistryQuery{What: wire.RegistryQuery_IMAGES})
	if err != nil {
		return nil, err
	}
	out := []api.Image{}
	for _, i := range a.Images {
		if len(i.Digest) != len(model.Digest{}) {
			return nil, errors.New("a manager's list of images cannot be read")
		}
		out = append(out, api.Image{Repository: i.Repository, Tag: i.Tag, Digest: model.Digest(i.Digest).String(), Size: i.Size, Copies: int(i.Copies), Pushed: time.Unix(0, i.Pushed).UTC()})
	}
	return out, nil
}

// RemoveImage implements [api.Images].
func (c *cluster) RemoveImage(ctx context.Context, name string) error {
	m := c.current()
	if m == nil {
		return errNoMember
	}
	change, err := removal(c.RegistryAddr(), name)
	if err != nil {
		return err
	}
	switch err := (images{m}).Record(ctx, change); {
	case errors.Is(err, store.ErrNotFound):
		return httperr.NotFound("the cluster's registry has no image %s", name)
	case errors.Is(err, store.ErrInUse):
		return httperr.New(http.StatusConflict, "%s", err)
	default:
		return err
	}
}

// removal reads which image is to be removed: NAME, NAME:TAG or NAME@DIGEST, with the registry's address before it or not.
func removal(addr, name string) (*wire.RegistryChange, error) {
	if !strings.HasPrefix(name, addr+"/") {
		name = addr + "/" + name
	}
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return nil, httperr.BadRequest("%q is no image's name: %s", name, err)
	}
	repository := reference.Path(named)
	if canonical, ok := named.(reference.Canonical); ok {
		d, err := model.ParseDigest(canonical.Digest().String())
		if err != nil {
			return nil, httperr.BadRequest("%q: %s", name, err)
		}
		return &wire.RegistryChange{What: &wire.RegistryChange_Remove{Remove: &wire.RegistryManifest{Repository: repository, Digest: d[:]}}}, nil
	}
	tagged, ok := reference.TagNameOnly(named).(reference.NamedTagged)
	if !ok {
		return nil, httperr.BadRequest("%q names no image", name)
	}
	return &wire.RegistryChange{What: &wire.RegistryChange_Untag{Untag: &wire.RegistryTag{Repository: repository, Name: tagged.Tag()}}}, nil
}

// CollectImages implements [api.Images].
func (c *cluster) CollectImages(ctx context.Context, grace time.Duration) (api.Collected, error) {
	m := c.current()
	if m == nil {
		return api.Collected{}, errNoMember
	}
	p := m.manager()
	if p == nil {
		return api.Collected{}, httperr.Unavailable("this node is no manager: images are collected from a manager")
	}
	s, err := registryDesk{p}.sweep(ctx, grace)
	if err != nil {
		return api.Collected{}, fmt.Errorf("not everything could be removed; run it again: %w", err)
	}
	return api.Collected{Blobs: s.Blobs, Bytes: s.Bytes}, nil
}
