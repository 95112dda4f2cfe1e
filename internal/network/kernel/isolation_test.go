package kernel

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestOverlaysAreApart(t *testing.T) {
	w := newWorld(t, 2)
	w.network("blue", netip.MustParsePrefix("10.100.3.0/24"), false)
	web := w.service(1, "red", "10.100.2.9")
	a := w.run(w.nodes[0], web, "red")
	near, far := w.run(w.nodes[0], id(0), "blue"), w.run(w.nodes[1], id(0), "blue")
	serve(t, a.space, "a", 80)
	w.sync()
	defer w.check()
	for _, c := range []*container{near, far} {
		for _, to := range []string{"10.100.2.9:80", a.addrs["red"].String() + ":80"} {
			_, _, err := ask(c.space, "tcp", to, impatience)
			require.Error(t, err)
			gateway := netip.MustParseAddr("10.100.3.1")
			require.NoError(t, c.route.RouteReplace(way(netip.MustParseAddrPort(to).Addr(), gateway)))
			_, _, err = ask(c.space, "tcp", to, impatience)
			require.Error(t, err, "by the gateway, which forwards nothing")
		}
	}
}

// TestForgedPacket sends overlay packets for a container's address, from a member and from another address.
func TestForgedPacket(t *testing.T) {
	w := newWorld(t, 2)
	a := w.run(w.nodes[0], id(0), "red")
	w.sync()
	defer w.check()
	var pc net.PacketConn
	require.NoError(t, a.do(func() (err error) {
		pc, err = net.ListenPacket("udp4", ":9")
		return err
	}))
	defer func() { _ = pc.Close() }()
	arrives := func(from *space) bool {
		t.Helper()
		c, err := dial(from, "udp", w.nodes[0].underlay.String()+":4789", patience)
		require.NoError(t, err)
		defer func() { _ = c.Close() }()
		_, err = c.Write(forged(w.net("red").VNI, a.addrs["red"], netip.MustParseAddr("10.100.2.200")))
		require.NoError(t, err)
		require.NoError(t, pc.SetReadDeadline(time.Now().Add(impatience)))
		_, _, err = pc.ReadFrom(make([]byte, 64))
		require.True(t, err == nil || errors.Is(err, os.ErrDeadlineExceeded), "%v", err)
		return err == nil
	}
	require.True(t, arrives(w.nodes[1].space), "from a member; else the packet is not well forged")
	require.False(t, arrives(w.client))
}

// forged is an overlay packet: VXLAN, Ethernet, IPv4 and UDP to the port "discard".
func forged(vni uint32, to, from netip.Addr) []byte {
	b := []byte{8, 0, 0, 0}
	b = binary.BigEndian.AppendUint32(b, vni<<8)
	b = append(append(append(b, network.MAC(to)...), network.MAC(from)...), 8, 0)
	ip := []byte{0x45, 0, 0, 32, 0, 0, 0, 0, 64, unix.IPPROTO_UDP, 0, 0}
	ip = append(append(ip, from.AsSlice()...), to.AsSlice()...)
	sum := uint32(0)
	for i := 0; i < len(ip); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(ip[i:]))
	}
	sum = sum>>16 + sum&0xFFFF
	binary.BigEndian.PutUint16(ip[10:], ^uint16(sum+sum>>16))
	return append(append(b, ip...), 0, 9, 0, 9, 0, 12, 0, 0, 'h', 'e', 'y', '!')
}

func TestContainerThatIsYetToCome(t *testing.T) {
	w := newWorld(t, 1)
	web := w.service(1, "red", "10.100.2.9")
	a := w.run(w.nodes[0], web, "red")
	n := w.nodes[0]
	later := w.dir + "/later"
	require.NoError(t, touch(later))
	n.boxes = append(n.boxes, network.Sandbox{Key: later, Links: []network.Link{
		{Endpoint: id(9999), Network: w.net("red").ID, Addr: netip.MustParsePrefix("10.100.2.200/24")},
	}})
	require.ErrorIs(t, n.k.Sync(t.Context(), n.plan()), ErrNotYet)
	require.True(t, n.k.Programmed(a.path))
	require.False(t, n.k.Programmed(later))
	require.NoError(t, bindNew(later))
	defer func() { _ = unix.Unmount(later, unix.MNT_DETACH) }()
	require.NoError(t, n.k.Sync(t.Context(), n.plan()))
	require.True(t, n.k.Programmed(later))
}

func TestAttachIsNotUndone(t *testing.T) {
	w := newWorld(t, 1)
	n := w.nodes[0]
	w.sync()
	l := network.Link{Endpoint: id(5), Network: w.net("red").ID, Addr: netip.MustParsePrefix("10.100.2.55/24")}
	peer, err := n.k.Attach(t.Context(), w.net("red"), l, 1450)
	require.NoError(t, err)
	w.check()
	w.service(7, "red", "10.100.2.77")
	w.sync()
	eth, err := n.link(peer)
	require.NoError(t, err)
	require.NotNil(t, eth, "the container it is for is in no plan yet")
	require.NoError(t, n.k.Detach(t.Context(), l))
	require.NoError(t, n.k.Detach(t.Context(), l), "a second time")
	eth, err = n.link(peer)
	require.NoError(t, err)
	require.Nil(t, eth)
	w.check()

	t.Run("a link that an earlier process left goes", func(t *testing.T) {
		_, err := n.k.Attach(t.Context(), w.net("red"), l, 1450)
		require.NoError(t, err)
		require.NoError(t, n.k.Close())
		n.start()
		w.sync()
		eth, err := n.link(peer)
		require.NoError(t, err)
		require.Nil(t, eth)
	})
	t.Run("a network without containers goes with its namespace", func(t *testing.T) {
		gone := w.net("red").ID
		w.change(func(f *network.Fabric) { delete(f.Networks, gone) })
		w.sync()
		require.NoFileExists(t, n.k.path(gone))
		w.check()
	})
	t.Run("and is back at once, whatever holds the old one", func(t *testing.T) {
		for range 5 {
			w.network("brief", netip.MustParsePrefix("10.100.5.0/24"), false)
			brief := w.net("brief")
			w.sync()
			pc, ln, err := n.k.Listen(t.Context(), brief.ID, netipPort("10.100.5.1:53"))
			require.NoError(t, err)
			defer func() { _, _ = pc.Close(), ln.Close() }()
			w.change(func(f *network.Fabric) { delete(f.Networks, brief.ID) })
			w.sync()
			w.nets--
		}
	})
	t.Run("one with a container in it is cut off only", func(t *testing.T) {
		w.network("green", netip.MustParsePrefix("10.100.4.0/24"), false)
		c := w.run(n, model.ID{}, "green")
		w.sync()
		green := w.net("green").ID
		w.change(func(f *network.Fabric) { delete(f.Networks, green) })
		w.sync()
		eth, err := c.link("eth0")
		require.NoError(t, err)
		require.NotNil(t, eth)
		s := n.k.spaces[green]
		require.NotNil(t, s)
		vx, err := s.link(network.VXLANLink)
		require.NoError(t, err)
		require.Nil(t, vx)
	})
}
