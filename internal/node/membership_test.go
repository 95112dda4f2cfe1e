package node

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/node/remote"
	"github.com/skep-org/skep/internal/node/vault"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// TestAListOfManagersWhileARoleChanges: a node that becomes a manager just as it is told who the managers are keeps both,
// in memory and on disk.
func TestAListOfManagersWhileARoleChanges(t *testing.T) {
	dir, ms := founded(t)
	v, err := vault.Open(filepath.Join(dir, swarmDir), true, env.Real().Rand, "")
	require.NoError(t, err)
	keys, err := openKeyring(v, env.Real(), silent)
	require.NoError(t, err)
	m := &member{cfg: Config{DataDir: dir}, env: env.Real(), logger: silent, ms: ms, changed: make(chan struct{}), vault: v, keys: keys}
	var last []remote.Manager
	var g errgroup.Group
	g.Go(func() error {
		for range 20 {
			if err := m.demote(); err != nil {
				return err
			}
			if err := m.promote(); err != nil {
				return err
			}
		}
		return nil
	})
	g.Go(func() error {
		for i := range 200 {
			last = []remote.Manager{{Addr: fmt.Sprintf("192.0.2.%d:2377", i)}}
			m.heard(last)
			if got := m.managers(); len(got) != 1 || got[0] != last[0] {
				return fmt.Errorf("told of %v, the node knows %v", last, got)
			}
		}
		return nil
	})
	require.NoError(t, g.Wait())
	got := m.membership()
	require.True(t, got.Manager)
	require.NotEqual(t, ms.RaftID, got.RaftID)
	require.Equal(t, last, got.Managers)
	onDisk, err := readMembership(dir)
	require.NoError(t, err)
	require.Equal(t, &got, onDisk)
}
