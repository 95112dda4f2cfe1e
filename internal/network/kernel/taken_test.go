package kernel

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTaken: what skep has made itself is not in its way.
func TestTaken(t *testing.T) {
	w, _, _ := busy(t)
	n := w.nodes[0]
	n.exec("ip", "route", "add", "10.64.0.0/10", "dev", "eth0")
	n.exec("ip", "route", "add", "unreachable", "198.51.100.0/24")
	n.exec("ip", "route", "add", "default", "dev", "eth0")
	taken, err := Taken(n.path)
	require.NoError(t, err)
	var what []string
	for _, one := range taken {
		what = append(what, one.What)
	}
	require.ElementsMatch(t, []string{
		"the address 127.0.0.1/8 of lo", "the address 192.0.2.1/24 of eth0",
		"the route 192.0.2.0/24 on eth0", "the route 10.64.0.0/10 on eth0", "the route 198.51.100.0/24",
	}, what)
}
