package records

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

// world is a store, a clock that is moved, and batches that were decided and are not applied yet.
type world struct {
	t     require.TestingT
	store *store.Store
	now   time.Time
	late  []*store.Batch
}

func newWorld(t require.TestingT, nodes int) *world {
	w := &world{t: t, store: store.New(), now: time.Unix(1_000_000, 0)}
	for i := range nodes {
		id := node(i)
		require.NoError(t, w.apply(&store.Batch{Writer: store.WriterInit, Changes: []store.Change{
			store.NodeSpecs.Put(&model.NodeSpec{ID: id, Spec: model.DocOf(swarm.NodeSpec{})}),
			store.NodeStates.Put(&model.NodeState{ID: id, State: model.ReachReady}),
			store.ImagePeers.Put(&model.ImagePeer{NodeID: id, Addr: fmt.Sprintf("node%d:2377", i)}),
		}}))
	}
	return w
}

func node(i int) model.ID { return model.NumID(uint64(i + 1)) }

func (w *world) apply(b *store.Batch) error {
	w.now = w.now.Add(time.Second)
	p := store.Direct{Store: w.store, Now: func() time.Time { return w.now }}.Commit(b)
	_, _, err := p.Result()
	return err
}

// change decides and applies a change at once, and returns why it was refused.
func (w *world) change(n model.ID, c *wire.RegistryChange) error {
	b, err := Change(w.store.View(), n, c)
	if err != nil || b == nil {
		return err
	}
	return w.apply(b)
}

func blob(i int) model.Digest { return model.DigestOf([]byte(fmt.Sprint("blob", i))) }

func raw(list ...model.Digest) (out [][]byte) {
	for _, d := range list {
		out = append(out, append([]byte{}, d[:]...))
	}
	return out
}

func hold(d model.Digest) *wire.RegistryChange {
	return &wire.RegistryChange{What: &wire.RegistryChange_Hold{Hold: &wire.RegistryHold{Blobs: []*wire.RegistryBlob{{Digest: raw(d)[0], Size: 10}}}}}
}

func drop(d model.Digest, spare uint32) *wire.RegistryChange {
	return &wire.RegistryChange{What: &wire.RegistryChange_Drop{Drop: &wire.RegistryHold{Spare: spare, Blobs: []*wire.RegistryBlob{{Digest: raw(d)[0]}}}}}
}

func manifest(d model.Digest, blobs, manifests []model.Digest) *wire.RegistryChange {
	return &wire.RegistryChange{What: &wire.RegistryChange_Manifest{Manifest: &wire.RegistryManifest{
		Repository: "app", Digest: raw(d)[0], Blobs: raw(blobs...), Manifests: raw(manifests...),
	}}}
}

func tag(name string, d model.Digest) *wire.RegistryChange {
	return &wire.RegistryChange{What: &wire.RegistryChange_Tag{Tag: &wire.RegistryTag{Repository: "app", Name: name, Digest: raw(d)[0]}}}
}

func untag(name string) *wire.RegistryChange {
	return &wire.RegistryChange{What: &wire.RegistryChange_Untag{Untag: &wire.RegistryTag{Repository: "app", Name: name}}}
}

func remove(d model.Digest) *wire.RegistryChange {
	return &wire.RegistryChange{What: &wire.RegistryChange_Remove{Remove: &wire.RegistryManifest{Repository: "app", Digest: raw(d)[0]}}}
}

// mirrored is a list of which those count that are there.
func mirrored(d model.Digest, manifests []model.Digest) *wire.RegistryChange {
	c := manifest(d, nil, manifests)
	c.GetManifest().Mirrored = true
	return c
}

// whole fails where something refers to what is not there.
func (w *world) whole() {
	v := w.store.View()
	for t := range store.ImageTags.All(v) {
		require.NotNil(w.t, store.ImageManifests.Get(v, model.ManifestID(t.Repository, t.Manifest).Key()), "tag %s", t.Name)
	}
	for m := range store.ImageManifests.All(v) {
		for _, d := range append([]model.Digest{m.Digest}, m.Blobs...) {
			require.NotNil(w.t, store.ImageBlobs.Get(v, d.Key()), "blob of %s", m.Digest)
		}
		for _, d := range m.Manifests {
			require.NotNil(w.t, store.ImageManifests.Get(v, model.ManifestID(m.Repository, d).Key()), "on the list %s", m.Digest)
		}
	}
}

// TestNothingReferredToIsDeleted: whatever is pushed, tagged, removed and collected, in whatever order, and however old the view is
// that a collection or a change was decided over.
func TestNothingReferredToIsDeleted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, 3)
		digest := rapid.Custom(func(t *rapid.T) model.Digest { return blob(rapid.IntRange(0, 5).Draw(t, "blob")) })
		some := rapid.SliceOfN(digest, 0, 3)
		name := rapid.SampledFrom([]string{"1", "2"})
		changes := []func() *wire.RegistryChange{
			func() *wire.RegistryChange { return hold(digest.Draw(t, "hold")) },
			func() *wire.RegistryChange { return manifest(digest.Draw(t, "manifest"), some.Draw(t, "blobs"), nil) },
			func() *wire.RegistryChange { return manifest(digest.Draw(t, "list"), nil, some.Draw(t, "manifests")) },
			func() *wire.RegistryChange { return mirrored(digest.Draw(t, "mirrored"), some.Draw(t, "some")) },
			func() *wire.RegistryChange { return tag(name.Draw(t, "name"), digest.Draw(t, "tag")) },
			func() *wire.RegistryChange { return untag(name.Draw(t, "untag")) },
			func() *wire.RegistryChange { return remove(digest.Draw(t, "remove")) },
		}
		t.Repeat(map[string]func(*rapid.T){
			"decide a change": func(t *rapid.T) {
				if b, err := Change(w.store.View(), node(0), rapid.SampledFrom(changes).Draw(t, "change")()); err == nil && b != nil {
					w.late = append(w.late, b)
				}
			},
			"change": func(t *rapid.T) {
				err := w.change(node(rapid.IntRange(0, 2).Draw(t, "node")), rapid.SampledFrom(changes).Draw(t, "change")())
				if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrInUse) {
					t.Fatal(err)
				}
			},
			"sweep manifests": func(*rapid.T) {
				w.late = append(w.late, SweepManifests(w.store.View(), w.now, 0).Batches...)
			},
			"sweep blobs": func(*rapid.T) { w.late = append(w.late, SweepBlobs(w.store.View(), w.now, 0).Batches...) },
			"apply what was decided": func(t *rapid.T) {
				if len(w.late) == 0 {
					t.Skip()
				}
				i := rapid.IntRange(0, len(w.late)-1).Draw(t, "which")
				if err := w.apply(w.late[i]); err != nil && !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrExists) {
					t.Fatal(err)
				}
				w.late = append(w.late[:i], w.late[i+1:]...)
			},
			"": func(*rapid.T) { w.whole() },
		})
	})
}

// TestHolders: a node speaks for itself, the one a blob was pushed to is asked last, those that are down are not asked, and a copy is
// given up only where enough others have it.
func TestHolders(t *testing.T) {
	w := newWorld(t, 4)
	for i := range 3 {
		require.NoError(t, w.change(node(i), hold(blob(1))))
	}
	look := func() *wire.RegistryBlob {
		a, err := Answer(w.store.View(), node(3), &wire.RegistryQuery{What: wire.RegistryQuery_BLOB, Digest: raw(blob(1))[0]}, w.now)
		require.NoError(t, err)
		return a.Blobs[0]
	}
	b := look()
	require.Len(t, b.Holders, 3)
	require.Equal(t, "node0:2377", b.Holders[2].Addr)
	require.Empty(t, b.Others, "but for the one that asks all have it")
	down := &model.NodeState{ID: node(0), State: model.ReachDown, Since: w.now.UnixNano()}
	require.NoError(t, w.apply(&store.Batch{Writer: store.WriterDispatcher, Changes: []store.Change{store.NodeStates.Put(down)}}))
	require.Len(t, look().Holders, 2)

	require.NoError(t, w.change(node(1), drop(blob(1), 2)))
	require.Len(t, look().Holders, 2, "one other is not enough")
	require.NoError(t, w.change(node(1), drop(blob(1), 1)))
	require.NoError(t, w.change(node(2), drop(blob(1), 1)))
	require.Len(t, look().Holders, 1, "the last one that is up has to keep it")
}

// TestShort: of those who have a blob one gives it to others, once a node that had it is down for good.
func TestShort(t *testing.T) {
	w := newWorld(t, 4)
	for i := range 2 {
		require.NoError(t, w.change(node(i), hold(blob(1))))
	}
	responsible := func(copies uint32) (nodes []int) {
		for i := range 4 {
			a, err := Answer(w.store.View(), node(i), &wire.RegistryQuery{What: wire.RegistryQuery_SHORT, Copies: copies}, w.now)
			require.NoError(t, err)
			if len(a.Blobs) > 0 {
				nodes = append(nodes, i)
			}
		}
		return nodes
	}
	require.Empty(t, responsible(2))
	require.Equal(t, []int{0}, responsible(3))
	down := &model.NodeState{ID: node(0), State: model.ReachDown, Since: w.now.UnixNano()}
	require.NoError(t, w.apply(&store.Batch{Writer: store.WriterDispatcher, Changes: []store.Change{store.NodeStates.Put(down)}}))
	require.Empty(t, responsible(2), "it may be back in a moment")
	w.now = w.now.Add(awayFor)
	require.Equal(t, []int{1}, responsible(2))
}

// TestGrace: what lost its last name is kept for a while from then on, however old it is.
func TestGrace(t *testing.T) {
	w := newWorld(t, 1)
	require.NoError(t, w.change(node(0), hold(blob(1))))
	require.NoError(t, w.change(node(0), hold(blob(2))))
	require.NoError(t, w.change(node(0), manifest(blob(1), []model.Digest{blob(2)}, nil)))
	require.NoError(t, w.change(node(0), tag("1", blob(1))))
	w.now = w.now.Add(100 * time.Hour)
	require.Empty(t, SweepManifests(w.store.View(), w.now, time.Hour).Batches)
	require.NoError(t, w.change(node(0), untag("1")))
	require.Empty(t, SweepManifests(w.store.View(), w.now, time.Hour).Batches)
	require.NoError(t, w.change(node(0), tag("1", blob(1))), "and may have a name again meanwhile")
	require.NoError(t, w.change(node(0), remove(blob(1))))
	require.Zero(t, SweepBlobs(w.store.View(), w.now, time.Hour).Blobs)
	w.now = w.now.Add(time.Hour)
	s := SweepBlobs(w.store.View(), w.now, time.Hour)
	require.Equal(t, 2, s.Blobs)
	require.EqualValues(t, 20, s.Bytes)

	// A list that is removed leaves what was on it for a while.
	w = newWorld(t, 1)
	require.NoError(t, w.change(node(0), hold(blob(1))))
	require.NoError(t, w.change(node(0), hold(blob(2))))
	require.NoError(t, w.change(node(0), manifest(blob(1), nil, nil)))
	require.NoError(t, w.change(node(0), manifest(blob(2), nil, []model.Digest{blob(1)})))
	w.now = w.now.Add(100 * time.Hour)
	require.NoError(t, w.change(node(0), remove(blob(2))))
	require.Empty(t, SweepManifests(w.store.View(), w.now, time.Hour).Batches)
}

// TestMirroredList: of a mirrored list those are named that are there, and two nodes that write it at the same time lose none.
func TestMirroredList(t *testing.T) {
	w := newWorld(t, 1)
	for i := range 3 {
		require.NoError(t, w.change(node(0), hold(blob(i))))
	}
	list := func() []model.Digest {
		return store.ImageManifests.Get(w.store.View(), model.ManifestID("app", blob(0)).Key()).Manifests
	}
	change := mirrored(blob(0), []model.Digest{blob(1), blob(2)})
	require.NoError(t, w.change(node(0), change))
	require.Empty(t, list())
	late, err := Change(w.store.View(), node(0), change)
	require.NoError(t, err)
	require.NoError(t, w.change(node(0), manifest(blob(2), nil, nil)))
	require.NoError(t, w.change(node(0), change))
	require.Equal(t, []model.Digest{blob(2)}, list())
	require.ErrorIs(t, w.apply(late), store.ErrConflict)
	require.Equal(t, []model.Digest{blob(2)}, list())
}

// TestRefusals: what cannot be is refused as a whole.
func TestRefusals(t *testing.T) {
	w := newWorld(t, 1)
	require.ErrorIs(t, w.change(node(0), manifest(blob(1), nil, nil)), store.ErrNotFound)
	require.ErrorIs(t, w.change(node(0), tag("1", blob(1))), store.ErrNotFound)
	require.ErrorIs(t, w.change(node(0), untag("1")), store.ErrNotFound)
	require.Error(t, w.change(node(0), &wire.RegistryChange{}))
	require.NoError(t, w.change(node(0), hold(blob(1))))
	other := hold(blob(1))
	other.GetHold().Blobs[0].Size = 11
	require.ErrorContains(t, w.change(node(0), other), "has 10 bytes, not 11")
	require.NoError(t, w.change(node(0), hold(blob(2))))
	require.NoError(t, w.change(node(0), manifest(blob(1), nil, nil)))
	require.NoError(t, w.change(node(0), manifest(blob(2), nil, []model.Digest{blob(1)})))
	require.ErrorIs(t, w.change(node(0), remove(blob(1))), store.ErrInUse)
	_, err := Answer(w.store.View(), node(0), &wire.RegistryQuery{What: 99}, w.now)
	require.Error(t, err)
}
