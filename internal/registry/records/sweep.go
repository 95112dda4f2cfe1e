package records

import (
	"slices"
	"strings"
	"time"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// sweptAtOnce bounds the rows of one batch. Each batch stands for itself: what one of them is refused is left for the next time.
const sweptAtOnce = 200

// MirrorPrefix begins the names of repositories that are copies of other registries': the registry's name follows.
const MirrorPrefix = "mirror/"

// MirrorKept is how long a mirrored image is kept that nobody uses. Its rows are written anew while it is used, if not each time.
const MirrorKept = 14 * 24 * time.Hour

// graceOf is how long what is in a repository is kept while nobody refers to it.
func graceOf(repository string, grace time.Duration) time.Duration {
	if strings.HasPrefix(repository, MirrorPrefix) {
		return max(grace, MirrorKept)
	}
	return grace
}

// Swept are batches that delete what nobody refers to, and what that comes to.
type Swept struct {
	Batches []*store.Batch
	Blobs   int
	Bytes   uint64
}

// SweepManifests deletes the manifests that neither a tag nor a list names, and has not for as long as grace. Those on a
// list that goes are found the next time. Of mirrored images the tags go that have not been used for long.
func SweepManifests(v store.View, now time.Time, grace time.Duration) Swept {
	var s Swept
	named := map[model.Digest]bool{}
	for t := range store.ImageTags.All(v) {
		named[model.ManifestID(t.Repository, t.Manifest)] = true
		if strings.HasPrefix(t.Repository, MirrorPrefix) && due(t.Updated, now, graceOf(t.Repository, grace)) {
			s.add(store.ImageTags.At(t), store.ImageTags.Delete(t.Key()))
		}
	}
	for m := range store.ImageManifests.All(v) {
		for _, d := range m.Manifests {
			named[model.ManifestID(m.Repository, d)] = true
		}
	}
	for m := range store.ImageManifests.All(v) {
		if !named[m.ID] && due(m.Updated, now, graceOf(m.Repository, grace)) {
			s.add(store.ImageManifests.At(m), store.ImageManifests.Delete(m.Key()))
		}
	}
	return s
}

// SweepBlobs deletes the blobs that no manifest is made of, and has not been for as long as grace, and forgets nodes that are
// not in the cluster any more.
func SweepBlobs(v store.View, now time.Time, grace time.Duration) Swept {
	used := map[model.Digest]bool{}
	for m := range store.ImageManifests.All(v) {
		used[m.Digest] = true
		for _, d := range m.Blobs {
			used[d] = true
		}
	}
	gone := func(n model.ID) bool { return store.NodeSpecs.ByID(v, n) == nil }
	var s Swept
	for b := range store.ImageBlobs.All(v) {
		switch {
		case !used[b.Digest] && due(b.Updated, now, grace):
			s.Blobs++
			s.Bytes += b.Size
			s.add(store.ImageBlobs.At(b), store.ImageBlobs.Delete(b.Key()))
		case used[b.Digest] && slices.ContainsFunc(b.Holders, gone):
			next := *b
			next.Holders = slices.DeleteFunc(slices.Clone(b.Holders), gone)
			s.add(store.ImageBlobs.At(b), store.ImageBlobs.Put(&next))
		}
	}
	for p := range store.ImagePeers.All(v) {
		if gone(p.NodeID) {
			s.add(store.ImagePeers.At(p), store.ImagePeers.Delete(p.Key()))
		}
	}
	return s
}

func due(since int64, now time.Time, grace time.Duration) bool {
	return now.Sub(time.Unix(0, since)) >= grace
}

func (s *Swept) add(c store.Condition, change store.Change) {
	if n := len(s.Batches); n == 0 || len(s.Batches[n-1].Changes) >= sweptAtOnce {
		s.Batches = append(s.Batches, &store.Batch{Writer: store.WriterRegistry})
	}
	b := s.Batches[len(s.Batches)-1]
	b.Conditions, b.Changes = append(b.Conditions, c), append(b.Changes, change)
}
