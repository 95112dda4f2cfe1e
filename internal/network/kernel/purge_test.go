package kernel

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPurgeLeavesOthers: interfaces that are not skep's, whatever they are called.
func TestPurgeLeavesOthers(t *testing.T) {
	w, _, _ := busy(t)
	n := w.nodes[0]
	n.exec("ip", "link", "add", "skepticism", "type", "bridge")
	n.exec("ip", "link", "add", "skep0123456789a", "type", "bridge")
	n.exec("ip", "link", "add", "skvx9", "type", "vxlan", "id", "77", "dstport", "4790")
	n.exec("ip", "link", "add", "skeptic0", "type", "veth", "peer", "name", "sboxcar")
	require.NoError(t, n.k.Purge(context.Background()))
	links, err := n.route.LinkList()
	require.NoError(t, err)
	var names []string
	for _, l := range links {
		if name := l.Attrs().Name; strings.HasPrefix(name, "sk") || strings.HasPrefix(name, "sbox") {
			names = append(names, name)
		}
	}
	require.ElementsMatch(t, []string{"skepticism", "skep0123456789a", "skvx9", "skeptic0", "sboxcar"}, names)
}
