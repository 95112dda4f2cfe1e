package remote

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/registry/blobs"
	"github.com/skep-org/skep/internal/registry/exchange"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

func (f *fakes) Look(_ context.Context, node model.ID, q *wire.RegistryQuery) (*wire.RegistryAnswer, error) {
	if q.Tag == "missing" {
		return nil, fmt.Errorf("app:missing: %w", store.ErrNotFound)
	}
	return &wire.RegistryAnswer{Names: []string{node.String(), q.Repository}}, nil
}

func (f *fakes) Record(context.Context, model.ID, *wire.RegistryChange) error { return nil }

func (f *fakes) Serve(_ context.Context, to model.ID, r exchange.Request) (io.ReadCloser, error) {
	b, ok := f.blobs[r.Blob]
	switch {
	case f.busy && !r.Urgent:
		return nil, &exchange.BusyError{To: []model.ID{to, m3}}
	case !ok && r.Blob != model.DigestOf(nil): // that of nothing is everywhere
		return nil, blobs.ErrNotFound
	}
	return io.NopCloser(bytes.NewReader(b[r.Offset:])), nil
}

func (f *fakes) Take(_ context.Context, d model.Digest, size int64, body io.Reader) error {
	b, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	if f.blobs == nil {
		return nil
	}
	if int64(len(b)) != size || model.DigestOf(b) != d {
		return blobs.ErrDigest
	}
	f.blobs[d] = b
	return nil
}

// TestBlobs: nodes of any role give each other blobs, from any offset on, and say in words that are told apart why not.
func TestBlobs(t *testing.T) {
	a := newCA(t)
	blob := make([]byte, 3*blobPart+17)
	_, _ = rand.Read(blob)
	d := model.DigestOf(blob)
	f := &fakes{blobs: map[model.Digest][]byte{}}
	keys := a.keys(ours, w1, model.RoleWorker)
	h := serveAs(t, a, w1, "127.0.0.1:0", Handlers{Blobs: f}, func(c *Config) { c.Keys = func() identity.Keys { return keys } })
	from := exchange.Peer{Node: w1, Addr: h.addr}
	client := dialer(t, a.keys(ours, m2, model.RoleWorker))

	_, err := client.FetchBlob(t.Context(), from, exchange.Request{Blob: d})
	require.ErrorIs(t, err, blobs.ErrNotFound)
	require.NoError(t, client.GiveBlob(t.Context(), from, d, int64(len(blob)), bytes.NewReader(blob)))
	require.ErrorContains(t, client.GiveBlob(t.Context(), from, d, int64(len(blob)), bytes.NewReader(blob[1:])), blobs.ErrDigest.Error())
	for _, offset := range []int64{0, 1, blobPart, int64(len(blob)) - 1, int64(len(blob))} {
		r, err := client.FetchBlob(t.Context(), from, exchange.Request{Blob: d, Offset: offset})
		require.NoError(t, err)
		got, err := io.ReadAll(r)
		require.NoError(t, err)
		require.True(t, bytes.Equal(blob[offset:], got), "from %d on", offset)
		require.NoError(t, r.Close())
	}
	f.busy = true
	_, err = client.FetchBlob(t.Context(), from, exchange.Request{Blob: d})
	require.ErrorIs(t, err, exchange.ErrBusy)
	var busy *exchange.BusyError
	require.ErrorAs(t, err, &busy)
	require.Equal(t, []model.ID{m2, m3}, busy.To)
	r, err := client.FetchBlob(t.Context(), from, exchange.Request{Blob: d, Urgent: true})
	require.NoError(t, err)
	require.NoError(t, r.Close())
	_, err = client.FetchBlob(t.Context(), exchange.Peer{Node: m1, Addr: h.addr}, exchange.Request{Blob: d})
	require.Error(t, err, "another node answers there")
	_, err = dialer(t, a.keys(theirs, m2, model.RoleWorker)).FetchBlob(t.Context(), from, exchange.Request{Blob: d})
	require.Error(t, err, "a node of another cluster")
}

// TestRegistryCalls: the managers know who asks, and what is not there comes back as that.
func TestRegistryCalls(t *testing.T) {
	a := newCA(t)
	h := serve(t, a, (&fakes{}).handlers())
	d := dialer(t, a.keys(ours, w1, model.RoleWorker))
	got, err := d.LookRegistry(t.Context(), h.manager(), &wire.RegistryQuery{Repository: "app"})
	require.NoError(t, err)
	require.Equal(t, []string{w1.String(), "app"}, got.Names)
	_, err = d.LookRegistry(t.Context(), h.manager(), &wire.RegistryQuery{Tag: "missing"})
	require.ErrorIs(t, err, store.ErrNotFound)
	require.NoError(t, d.RecordRegistry(t.Context(), h.manager(), &wire.RegistryChange{}))
}
