package local

import (
	"testing"

	"github.com/skep-org/skep/internal/node"
	"github.com/stretchr/testify/require"
)

// TestWhere looks for the daemon where it is said to be, else where the docker command looks, else here.
func TestWhere(t *testing.T) {
	for _, c := range []struct{ host, docker, socket, refusal string }{
		{"", "", node.DefaultHost, ""},
		{"", "unix:///lab/m1.sock", "unix:///lab/m1.sock", ""},
		{"unix:///said.sock", "unix:///lab/m1.sock", "unix:///said.sock", ""},
		{"", "tcp://m1:2375", "", `"tcp://m1:2375" is not unix:///path: run this on a node of the cluster, or say the daemon's socket by --host`},
	} {
		t.Setenv("DOCKER_HOST", c.docker)
		d, err := New(c.host)
		if c.refusal != "" {
			require.EqualError(t, err, c.refusal)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, c.socket, "unix://"+d.socket)
	}
}
