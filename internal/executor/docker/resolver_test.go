package docker

import (
	"net/netip"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/stretchr/testify/require"
)

func TestResolverFile(t *testing.T) {
	const nameserver = "nameserver 10.0.1.1\n"
	for _, c := range []struct {
		name string
		dns  *swarm.DNSConfig
		host string
		want string
	}{
		{"nothing is said", nil, "nameserver 192.0.2.1\n", nameserver + "options ndots:0 timeout:2 attempts:3\n"},
		{"the node's", nil, "search a.test b.test\noptions timeout:1 rotate\noptions ndots:1\n", nameserver + "search a.test b.test\noptions timeout:1 rotate ndots:1 attempts:3\n"},
		{
			"the service's", &swarm.DNSConfig{Search: []string{"."}, Options: []string{"attempts:1", "timeout:5"}}, "search a.test\noptions timeout:1 rotate\n",
			nameserver + "options attempts:1 timeout:5 ndots:0\n",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.want, resolverFile(netip.MustParseAddr("10.0.1.1"), c.dns, c.host))
		})
	}
}
