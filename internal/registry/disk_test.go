package registry

import (
	"math"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/skep-org/skep/internal/registry/blobs"
)

// TestReallyFullDisk: on a disk of its own, a push that does not fit is refused with the node's name and what to do, whether the
// reserve is what it would take or nothing is left at all; what is there stays, nothing of the push does, and it is done when
// there is room.
func TestReallyFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("skipped: mounting a disk needs root")
	}
	disk := t.TempDir()
	require.NoError(t, unix.Mount("tmpfs", disk, "tmpfs", 0, "size=192m"))
	c := newCluster(t, 2, 2)
	t.Cleanup(func() { require.NoError(t, unix.Unmount(disk, 0)) })
	t.Cleanup(func() { c.nodes[0].stop() })
	n := c.nodes[0]
	n.stop()
	n.start(disk, 2)
	name, err := os.Hostname()
	require.NoError(t, err)
	small := random(8 << 20)
	n.push("app", "1", []byte("{}"), small)

	large := random(40 << 20)
	refused := func(status int, text string) {
		t.Helper()
		require.Equal(t, http.StatusForbidden, status, text)
		require.Contains(t, text, `"DENIED"`)
		require.Contains(t, text, "on node "+name)
		require.Contains(t, text, "skep image gc")
	}
	require.NoError(t, os.WriteFile(filepath.Join(disk, "filler"), random(32<<20), 0o600))
	status, text := n.blob("app", large)
	refused(status, text)

	n.reg.exchange.Dir.Free = func(string) (uint64, error) { return math.MaxInt64, nil } // somebody else is quicker
	require.NoError(t, os.WriteFile(filepath.Join(disk, "filler"), random(170<<20), 0o600))
	status, text = n.blob("app", large)
	refused(status, text)
	require.NoFileExists(t, n.file(large))
	var files []string
	require.NoError(t, filepath.WalkDir(n.reg.uploads(), func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() && e.Name() == "data" {
			files = append(files, path)
		}
		return err
	}))
	require.Empty(t, files, "what came of it does not keep the disk full")
	require.NoError(t, n.pull("app", "1"), "what is there can be pulled")

	require.NoError(t, os.Remove(filepath.Join(disk, "filler")))
	free, err := blobs.Open(disk)
	require.NoError(t, err)
	n.reg.exchange.Dir.Free = free.Free
	n.push("app", "2", []byte("{}"), large)
	require.NoError(t, c.nodes[1].pull("app", "2"))
	require.NoError(t, n.pull("app", "1"))
}
