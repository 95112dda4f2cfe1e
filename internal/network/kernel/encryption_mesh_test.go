package kernel

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/skep-org/skep/internal/network"
	"github.com/stretchr/testify/require"
)

// TestEncryptedMesh has an encrypted ingress network: what it carries is not read on the wire, and clients are seen as they are.
func TestEncryptedMesh(t *testing.T) {
	w := newWorld(t, 3)
	w.on("ingress", func(n *network.Network) { n.Encrypted = true })
	for _, n := range w.nodes {
		w.rekey(n, 1)
	}
	web := w.service(1, "ingress", "", ports(8080, 80)...)
	a := w.run(w.nodes[0], web, "ingress")
	serve(t, a.space, "a", 80)
	w.sync()
	defer w.check()
	for _, n := range w.nodes {
		names, seen := reach(t, w.client, n.underlay.String()+":8080", 4)
		require.Equal(t, map[string]int{"a": 8}, names)
		require.Equal(t, netip.MustParseAddr("192.0.2.100"), seen)
	}
	capture := w.capture()
	reach(t, w.nodes[1].space, "127.0.0.1:8080", 2)
	require.Zero(t, bytes.Count(capture(), []byte("hello")))

	t.Run("nobody but other nodes gets at it", func(t *testing.T) {
		require.NoError(t, w.nodes[1].k.InEncryption(func() error { return nil }))
		r := w.nodes[1].exec("nsenter", "--net="+w.nodes[1].path+".netns/encryption", "nft", "list", "chain", "ip", "skep", "local")
		require.Contains(t, r, "10.255.0.2")
	})
	t.Run("the namespace is lost", func(t *testing.T) {
		require.NoError(t, w.nodes[0].k.dropCipher())
		drift, err := w.nodes[0].k.Audit(t.Context(), w.nodes[0].plan())
		require.NoError(t, err)
		require.NotEmpty(t, drift)
		w.sync()
		reach(t, w.client, w.nodes[2].underlay.String()+":8080", 2)
	})
}
