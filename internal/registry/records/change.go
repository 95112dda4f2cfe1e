package records

import (
	"errors"
	"fmt"
	"slices"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

// Change makes the batch of what a node has to say; nil: it is so already.
func Change(v store.View, node model.ID, c *wire.RegistryChange) (*store.Batch, error) {
	b := &batch{v: v, node: node, touched: map[model.Digest]bool{}}
	var err error
	switch w := c.What.(type) {
	case *wire.RegistryChange_Serve:
		b.serve(w.Serve)
	case *wire.RegistryChange_Hold:
		err = b.hold(w.Hold)
	case *wire.RegistryChange_Drop:
		err = b.drop(w.Drop)
	case *wire.RegistryChange_Manifest:
		err = b.manifest(w.Manifest)
	case *wire.RegistryChange_Tag:
		err = b.tag(w.Tag)
	case *wire.RegistryChange_Untag:
		err = b.untag(w.Untag)
	case *wire.RegistryChange_Remove:
		err = b.remove(w.Remove)
	default:
		err = errors.New("this manager's version of skep does not know that change of the registry")
	}
	if err != nil || len(b.changes) == 0 {
		return nil, err
	}
	return &store.Batch{Writer: store.WriterRegistry, Conditions: b.conditions, Changes: b.changes}, nil
}

// batch collects what one change writes.
type batch struct {
	v          store.View
	node       model.ID
	conditions []store.Condition
	changes    []store.Change
	touched    map[model.Digest]bool
}

func (b *batch) serve(addr string) {
	row := store.ImagePeers.ByID(b.v, b.node)
	switch {
	case addr == "" && row != nil:
		b.changes = append(b.changes, store.ImagePeers.Delete(row.Key()))
	case addr != "" && (row == nil || row.Addr != addr):
		b.changes = append(b.changes, store.ImagePeers.Put(&model.ImagePeer{NodeID: b.node, Addr: addr}))
	}
}

func (b *batch) hold(h *wire.RegistryHold) error {
	for _, one := range h.Blobs {
		d, err := digestOf(one.Digest)
		if err != nil {
			return err
		}
		row := store.ImageBlobs.Get(b.v, d.Key())
		switch {
		case b.touched[d]:
		case row == nil:
			b.conditions = append(b.conditions, store.ImageBlobs.Absent(d.Key()))
			b.changes = append(b.changes, store.ImageBlobs.Put(&model.ImageBlob{Digest: d, Size: one.Size, Holders: []model.ID{b.node}}))
		case row.Size != one.Size:
			return fmt.Errorf("blob %s has %d bytes, not %d", d, row.Size, one.Size)
		case !slices.Contains(row.Holders, b.node):
			next := *row
			next.Holders = append(slices.Clone(row.Holders), b.node)
			b.conditions = append(b.conditions, store.ImageBlobs.At(row))
			b.changes = append(b.changes, store.ImageBlobs.Put(&next))
		}
		b.touched[d] = true
	}
	return nil
}

func (b *batch) drop(h *wire.RegistryHold) error {
	up := peersUp(b.v)
	for _, one := range h.Blobs {
		d, err := digestOf(one.Digest)
		if err != nil {
			return err
		}
		row := store.ImageBlobs.Get(b.v, d.Key())
		if row == nil || b.touched[d] || !slices.Contains(row.Holders, b.node) {
			continue
		}
		others := 0
		for _, n := range row.Holders {
			if n != b.node && up[n] != "" {
				others++
			}
		}
		if h.Spare > 0 && others < int(h.Spare) {
			continue
		}
		next := *row
		next.Holders = slices.DeleteFunc(slices.Clone(row.Holders), func(n model.ID) bool { return n == b.node })
		b.conditions = append(b.conditions, store.ImageBlobs.At(row))
		b.changes = append(b.changes, store.ImageBlobs.Put(&next))
		b.touched[d] = true
	}
	return nil
}

func (b *batch) manifest(m *wire.RegistryManifest) error {
	d, err := digestOf(m.Digest)
	if err != nil {
		return err
	}
	row := &model.ImageManifest{ID: model.ManifestID(m.Repository, d), Repository: m.Repository, Digest: d, MediaType: m.MediaType}
	if row.Blobs, err = digestsOf(m.Blobs); err != nil {
		return err
	}
	if row.Manifests, err = digestsOf(m.Manifests); err != nil {
		return err
	}
	for i, blob := range append([]model.Digest{d}, row.Blobs...) {
		size, err := b.touchBlob(blob)
		if err != nil {
			return err
		}
		if i > 0 {
			row.Size += size
		}
	}
	if m.Mirrored {
		b.asIs(row) // what is on the list depends on what is there
		row.Manifests = slices.DeleteFunc(row.Manifests, func(one model.Digest) bool {
			return store.ImageManifests.Get(b.v, model.ManifestID(m.Repository, one).Key()) == nil
		})
	}
	for _, one := range row.Manifests {
		child, err := b.touchManifest(m.Repository, one)
		if err != nil {
			return err
		}
		row.Size += child.Size
	}
	b.changes = append(b.changes, store.ImageManifests.Put(row))
	return nil
}

// asIs refuses the change where another one of the manifest's row comes first.
func (b *batch) asIs(m *model.ImageManifest) {
	if old := store.ImageManifests.Get(b.v, m.Key()); old != nil {
		b.conditions = append(b.conditions, store.ImageManifests.At(old))
		return
	}
	b.conditions = append(b.conditions, store.ImageManifests.Absent(m.Key()))
}

// touchBlob writes a blob's row anew, so that nobody who decided over an older view deletes it.
func (b *batch) touchBlob(d model.Digest) (size uint64, err error) {
	row := store.ImageBlobs.Get(b.v, d.Key())
	if row == nil {
		return 0, fmt.Errorf("blob %s is not in the registry: %w", d, store.ErrNotFound)
	}
	if !b.touched[d] {
		b.touched[d] = true
		same := *row
		b.conditions = append(b.conditions, store.ImageBlobs.At(row))
		b.changes = append(b.changes, store.ImageBlobs.Put(&same))
	}
	return row.Size, nil
}

func (b *batch) touchManifest(repository string, d model.Digest) (*model.ImageManifest, error) {
	id := model.ManifestID(repository, d)
	row := store.ImageManifests.Get(b.v, id.Key())
	if row == nil {
		return nil, fmt.Errorf("manifest %s@%s is not in the registry: %w", repository, d, store.ErrNotFound)
	}
	if !b.touched[id] {
		b.touched[id] = true
		same := *row
		b.conditions = append(b.conditions, store.ImageManifests.At(row))
		b.changes = append(b.changes, store.ImageManifests.Put(&same))
	}
	return row, nil
}

func (b *batch) tag(t *wire.RegistryTag) error {
	d, err := digestOf(t.Digest)
	if err != nil {
		return err
	}
	if _, err := b.touchManifest(t.Repository, d); err != nil {
		return err
	}
	id := model.TagID(t.Repository, t.Name)
	// Of two pushes of one tag at the same time the later one counts, as if the other had been done before.
	if old := store.ImageTags.Get(b.v, id.Key()); old != nil && old.Manifest != d {
		b.release(old)
	}
	b.changes = append(b.changes, store.ImageTags.Put(&model.ImageTag{ID: id, Repository: t.Repository, Name: t.Name, Manifest: d}))
	return nil
}

// release writes the manifest of a tag that goes anew: from now on counts how long nobody refers to it.
func (b *batch) release(t *model.ImageTag) {
	if _, err := b.touchManifest(t.Repository, t.Manifest); err == nil {
		b.conditions = append(b.conditions, store.ImageTags.At(t))
	}
}

func (b *batch) untag(t *wire.RegistryTag) error {
	row := store.ImageTags.Get(b.v, model.TagID(t.Repository, t.Name).Key())
	if row == nil {
		return fmt.Errorf("%s:%s is not in the registry: %w", t.Repository, t.Name, store.ErrNotFound)
	}
	b.release(row)
	b.changes = append(b.changes, store.ImageTags.Delete(row.Key()))
	return nil
}

func (b *batch) remove(m *wire.RegistryManifest) error {
	d, err := digestOf(m.Digest)
	if err != nil {
		return err
	}
	row := store.ImageManifests.Get(b.v, model.ManifestID(m.Repository, d).Key())
	if row == nil {
		return fmt.Errorf("%s@%s is not in the registry: %w", m.Repository, d, store.ErrNotFound)
	}
	if list := listWith(b.v, row); list != nil {
		return fmt.Errorf("%s@%s is on the list %s; remove that first: %w", m.Repository, d, list.Digest, store.ErrInUse)
	}
	for t := range store.ImageTags.All(b.v) {
		if t.Repository == m.Repository && t.Manifest == d {
			b.conditions = append(b.conditions, store.ImageTags.At(t))
			b.changes = append(b.changes, store.ImageTags.Delete(t.Key()))
		}
	}
	for _, blob := range append([]model.Digest{d}, row.Blobs...) {
		_, _ = b.touchBlob(blob) // one that is not there needs no time
	}
	for _, one := range row.Manifests {
		_, _ = b.touchManifest(m.Repository, one)
	}
	b.conditions = append(b.conditions, store.ImageManifests.At(row))
	b.changes = append(b.changes, store.ImageManifests.Delete(row.Key()))
	return nil
}

// listWith is a list that names a manifest, or nil.
func listWith(v store.View, m *model.ImageManifest) *model.ImageManifest {
	for l := range store.ImageManifests.All(v) {
		if l.Repository == m.Repository && slices.Contains(l.Manifests, m.Digest) {
			return l
		}
	}
	return nil
}

func digestsOf(list [][]byte) ([]model.Digest, error) {
	var out []model.Digest
	for _, b := range list {
		d, err := digestOf(b)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(out, d) {
			out = append(out, d)
		}
	}
	return out, nil
}
