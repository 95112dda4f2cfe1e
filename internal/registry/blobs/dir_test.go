package blobs

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skep-org/skep/internal/model"
)

// TestDir: what is kept has its digest's content, under its name only when it is all there, and what was on its way is gone after a
// restart.
func TestDir(t *testing.T) {
	path := t.TempDir()
	d, err := Open(path)
	require.NoError(t, err)
	blob := []byte("content")
	digest := model.DigestOf(blob)
	_, err = d.Get(digest)
	require.ErrorIs(t, err, ErrNotFound)
	for _, wrong := range [][]byte{blob[1:], append(blob, 'x'), []byte("another")} {
		require.ErrorIs(t, d.Put(digest, int64(len(blob)), bytes.NewReader(wrong)), ErrDigest)
	}
	left, err := os.ReadDir(filepath.Join(path, comingDir))
	require.NoError(t, err)
	require.Empty(t, left)

	w, err := d.Create(digest, int64(len(blob)))
	require.NoError(t, err)
	_, err = w.Write(blob[:3])
	require.NoError(t, err)
	f, err := w.Open()
	require.NoError(t, err)
	require.NoError(t, f.Close())
	d, err = Open(path) // the daemon was killed
	require.NoError(t, err)
	left, err = os.ReadDir(filepath.Join(path, comingDir))
	require.NoError(t, err)
	require.Empty(t, left)

	require.NoError(t, d.Put(digest, int64(len(blob)), bytes.NewReader(blob)))
	size, err := d.Size(digest)
	require.NoError(t, err)
	require.EqualValues(t, len(blob), size)
	require.NoError(t, os.WriteFile(filepath.Join(path, keptDir, "not-ours"), nil, 0o600))
	list, err := d.List()
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, digest, list[0].Digest)
	now := time.Now()
	require.NoError(t, d.Touch(digest, now))
	require.NoError(t, d.RemoveOld(digest, now.Add(-time.Hour)))
	_, err = d.Size(digest)
	require.NoError(t, err, "it is younger than that")
	require.NoError(t, d.RemoveOld(digest, now.Add(time.Hour)))
	require.NoError(t, d.RemoveOld(digest, now.Add(time.Hour)))
	require.ErrorIs(t, d.Touch(digest, now), ErrNotFound)
	_, err = d.Size(digest)
	require.ErrorIs(t, err, ErrNotFound)
}

// TestRoom: the reserve is left free.
func TestRoom(t *testing.T) {
	d, err := Open(t.TempDir())
	require.NoError(t, err)
	d.Free = func(string) (uint64, error) { return Reserve + 10, nil }
	require.NoError(t, d.Room(10))
	require.ErrorIs(t, d.Room(11), ErrFull)
	require.ErrorIs(t, d.Put(model.DigestOf(nil), 11, bytes.NewReader(nil)), ErrFull)
}
