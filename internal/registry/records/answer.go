package records

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

// Answer answers a node's question.
func Answer(v store.View, node model.ID, q *wire.RegistryQuery, now time.Time) (*wire.RegistryAnswer, error) {
	switch q.What {
	case wire.RegistryQuery_TAG:
		t := store.ImageTags.Get(v, model.TagID(q.Repository, q.Tag).Key())
		if t == nil {
			return nil, fmt.Errorf("%s:%s: %w", q.Repository, q.Tag, store.ErrNotFound)
		}
		return &wire.RegistryAnswer{Digest: t.Manifest[:], Updated: t.Updated}, nil
	case wire.RegistryQuery_TAGS:
		return named(tagsOf(v, q.Repository)), nil
	case wire.RegistryQuery_REPOSITORIES:
		return named(repositories(v)), nil
	case wire.RegistryQuery_MANIFEST:
		d, err := digestOf(q.Digest)
		if err != nil {
			return nil, err
		}
		m := store.ImageManifests.Get(v, model.ManifestID(q.Repository, d).Key())
		if m == nil {
			return nil, fmt.Errorf("%s@%s: %w", q.Repository, d, store.ErrNotFound)
		}
		return &wire.RegistryAnswer{Digest: d[:], Updated: m.Updated}, nil
	case wire.RegistryQuery_BLOB:
		d, err := digestOf(q.Digest)
		if err != nil {
			return nil, err
		}
		if q.Repository != "" && !has(v, q.Repository, d) {
			return nil, fmt.Errorf("blob %s in %s: %w", d, q.Repository, store.ErrNotFound)
		}
		b := store.ImageBlobs.Get(v, d.Key())
		if b == nil {
			b = &model.ImageBlob{Digest: d} // where it would be kept is asked before there is one
		}
		return &wire.RegistryAnswer{Blobs: []*wire.RegistryBlob{blobOnWire(peersUp(v), b, node)}}, nil
	case wire.RegistryQuery_IMAGES:
		return &wire.RegistryAnswer{Images: images(v)}, nil
	case wire.RegistryQuery_SHORT:
		return &wire.RegistryAnswer{Blobs: short(v, node, int(q.Copies), now)}, nil
	case wire.RegistryQuery_HELD:
		return &wire.RegistryAnswer{Blobs: held(v, node)}, nil
	}
	return nil, fmt.Errorf("this manager's version of skep does not know the registry's question %d", q.What)
}

// has tells whether an image of a repository is made of a blob.
func has(v store.View, repository string, d model.Digest) bool {
	for m := range store.ImageManifests.All(v) {
		if m.Repository == repository && (m.Digest == d || slices.Contains(m.Blobs, d)) {
			return true
		}
	}
	return false
}

func named(names []string) *wire.RegistryAnswer { return &wire.RegistryAnswer{Names: names} }

func digestOf(b []byte) (d model.Digest, err error) {
	if len(b) != len(d) {
		return d, model.ErrBadDigest
	}
	return model.Digest(b), nil
}

func tagsOf(v store.View, repository string) (names []string) {
	for t := range store.ImageTags.All(v) {
		if t.Repository == repository {
			names = append(names, t.Name)
		}
	}
	slices.Sort(names)
	return names
}

func repositories(v store.View) (names []string) {
	for m := range store.ImageManifests.All(v) {
		names = append(names, m.Repository)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// images lists every tag, and the manifests that neither a tag nor a list names.
func images(v store.View) (out []*wire.RegistryImage) {
	shown, up := map[model.Digest]bool{}, peersUp(v)
	add := func(m *model.ImageManifest, tag string, pushed int64) {
		out = append(out, &wire.RegistryImage{Repository: m.Repository, Tag: tag, Digest: m.Digest[:], Size: m.Size, Copies: copies(v, up, m), Pushed: pushed})
	}
	for t := range store.ImageTags.All(v) {
		id := model.ManifestID(t.Repository, t.Manifest)
		if m := store.ImageManifests.Get(v, id.Key()); m != nil {
			shown[id] = true
			add(m, t.Name, t.Updated)
		}
	}
	for m := range store.ImageManifests.All(v) {
		for _, d := range m.Manifests {
			shown[model.ManifestID(m.Repository, d)] = true
		}
	}
	for m := range store.ImageManifests.All(v) {
		if !shown[m.ID] {
			add(m, "", m.Created)
		}
	}
	slices.SortFunc(out, func(a, b *wire.RegistryImage) int {
		return cmp.Or(cmp.Compare(a.Repository, b.Repository), cmp.Compare(a.Tag, b.Tag), slices.Compare(a.Digest, b.Digest))
	})
	return out
}

// copies counts the nodes that are up and have a manifest's scarcest blob.
func copies(v store.View, up map[model.ID]string, m *model.ImageManifest) uint32 {
	least := len(up)
	eachBlob(v, m, func(d model.Digest) {
		n := 0
		if b := store.ImageBlobs.Get(v, d.Key()); b != nil {
			for _, h := range b.Holders {
				if up[h] != "" {
					n++
				}
			}
		}
		least = min(least, n)
	})
	return uint32(least)
}

// eachBlob walks the blobs of a manifest and of those on its list, each once.
func eachBlob(v store.View, m *model.ImageManifest, f func(model.Digest)) {
	seen := map[model.Digest]bool{}
	var walk func(*model.ImageManifest)
	walk = func(m *model.ImageManifest) {
		for _, d := range append([]model.Digest{m.Digest}, m.Blobs...) {
			if !seen[d] {
				seen[d] = true
				f(d)
			}
		}
		for _, d := range m.Manifests {
			if child := store.ImageManifests.Get(v, model.ManifestID(m.Repository, d).Key()); child != nil && !seen[d] {
				walk(child)
			}
		}
	}
	walk(m)
}
