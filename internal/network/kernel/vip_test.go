package kernel

import (
	"errors"
	"net/netip"
	"syscall"
	"testing"

	"github.com/skep-org/skep/internal/network"
	"github.com/stretchr/testify/require"
)

func TestVIP(t *testing.T) {
	w := newWorld(t, 2)
	web := w.service(1, "red", "10.100.2.9")
	w.service(2, "red", "10.100.2.10") // has no containers
	a, b := w.run(w.nodes[0], web, "red"), w.run(w.nodes[1], web, "red")
	caller := w.run(w.nodes[0], id(0), "red")
	serve(t, a.space, "a", 80)
	serve(t, b.space, "b", 80)
	w.sync()
	defer w.check()

	t.Run("both backends in turn, by TCP and UDP", func(t *testing.T) {
		names, seen := reach(t, caller.space, "10.100.2.9:80", 4)
		require.Equal(t, map[string]int{"a": 4, "b": 4}, names)
		require.Equal(t, caller.addrs["red"], seen)
	})
	t.Run("a container reaches itself", func(t *testing.T) {
		names, seen := reach(t, b.space, "10.100.2.9:80", 2)
		require.Equal(t, map[string]int{"a": 2, "b": 2}, names)
		require.Equal(t, b.addrs["red"], seen)
	})
	t.Run("a service without containers refuses", func(t *testing.T) {
		_, _, err := ask(caller.space, "tcp", "10.100.2.10:80", patience)
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		_, _, err = ask(caller.space, "udp", "10.100.2.10:80", patience)
		require.ErrorIs(t, err, syscall.EPERM, "the kernel's word for a packet that is rejected where it is sent")
	})
	t.Run("a withdrawn one gets nothing new and keeps what it has", func(t *testing.T) {
		open := map[string]interface{ Close() error }{}
		var keep []func() (string, netip.Addr, error)
		for range 2 {
			c, err := dial(caller.space, "tcp", "10.100.2.9:80", patience)
			require.NoError(t, err)
			name, _, err := say(c, patience)
			require.NoError(t, err)
			open[name] = c
			keep = append(keep, func() (string, netip.Addr, error) { return say(c, patience) })
			t.Cleanup(func() { _ = c.Close() })
		}
		require.Len(t, open, 2)
		w.serve(b, "red", false)
		w.sync()
		names, _ := reach(t, caller.space, "10.100.2.9:80", 4)
		require.Equal(t, map[string]int{"a": 8}, names)
		for _, again := range keep {
			_, _, err := again()
			require.NoError(t, err)
		}
		w.serve(b, "red", true)
		w.sync()
	})
	t.Run("connections to one that is gone are reset", func(t *testing.T) {
		tcp, udp := pinned(t, caller.space, "tcp", "b"), pinned(t, caller.space, "udp", "b")
		w.on("red", func(n *network.Network) { delete(n.Endpoints, b.id) })
		w.sync()
		_, _, err := say(tcp, patience)
		require.True(t, errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE), "%v", err)
		name, _, err := say(udp, patience)
		require.NoError(t, err)
		require.Equal(t, "a", name)
	})
}
