package kernel

import (
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEngineWallFlushed: skep puts its own rules back, and says that it cannot put back the engine's.
func TestEngineWallFlushed(t *testing.T) {
	w := newWorld(t, 1)
	n := w.nodes[0]
	w.run(n, id(0), "ingress")
	w.sync()
	found, err := n.k.Findings()
	require.NoError(t, err)
	require.Empty(t, found)

	n.exec("nft", "flush", "ruleset")
	_, err = n.k.Audit(t.Context(), n.plan())
	require.NoError(t, err)
	n.sync()
	w.check()
	require.NoError(t, n.k.Close())
	n.start() // another daemon knows, too
	n.sync()
	found, err = n.k.Findings()
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Contains(t, found[0].Remedy, "restart the engine")

	n.exec("nft", "add table ip docker-bridges") // of an engine that is at home there
	found, err = n.k.Findings()
	require.NoError(t, err)
	require.Empty(t, found)
	n.exec("nft", "delete table ip docker-bridges")
	found, err = n.k.Findings()
	require.NoError(t, err)
	require.Len(t, found, 1)

	n.exec("iptables", "-N", "DOCKER-USER")
	found, err = n.k.Findings()
	require.NoError(t, err)
	require.Empty(t, found)
	require.NoError(t, n.k.Purge(context.Background()))
	files, err := os.ReadDir(n.path + ".netns")
	require.NoError(t, err)
	require.Empty(t, files, "what a host that leaves has left")
}
