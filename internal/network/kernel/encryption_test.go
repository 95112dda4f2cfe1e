package kernel

import (
	"bytes"

	"net"
	"net/netip"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// sealed makes an encrypted network and a first key for every node.
func (w *world) sealed(name, subnet string) {
	w.network(name, netip.MustParsePrefix(subnet), false)
	w.on(name, func(n *network.Network) { n.Encrypted = true })
	for _, n := range w.nodes {
		if n.own == nil {
			w.rekey(n, 1)
		}
	}
}

// rekey gives a node another key, and tells the others.
func (w *world) rekey(n *node, generation uint64) {
	w.t.Helper()
	key, err := n.k.NewKey(generation)
	require.NoError(w.t, err)
	var ring network.Ring
	if n.own != nil {
		ring.Keys = n.own.Keys
	}
	w.keys(n, ring.With(time.Now(), key).Keys)
}

func (w *world) keys(n *node, keys network.Keys) {
	n.own = &network.Encryption{Keys: keys}
	w.change(func(f *network.Fabric) {
		is := f.Nodes[n.id]
		is.Keys = keys
		f.Nodes[n.id] = is
	})
}

// look has a node know which keys work.
func (n *node) look() map[network.Key]struct{} {
	n.w.t.Helper()
	live, err := n.k.Live()
	require.NoError(n.w.t, err)
	if n.own != nil {
		n.own = &network.Encryption{Keys: n.own.Keys, Live: live}
	}
	return live
}

func TestEncrypted(t *testing.T) {
	w := newWorld(t, 2)
	w.sealed("red2", "10.100.4.0/24")
	web := w.service(1, "red2", "10.100.4.9")
	a, b, c := w.run(w.nodes[0], web, "red2"), w.run(w.nodes[1], web, "red2"), w.run(w.nodes[1], model.ID{}, "red2")
	serve(t, a.space, "a", 80)
	serve(t, b.space, "b", 80)
	w.sync()
	defer w.check()
	for _, to := range []*container{a, b} { // from c: over the wire, and beside it
		for _, proto := range []string{"tcp", "udp"} {
			_, seen, err := ask(c.space, proto, to.addrs["red2"].String()+":80", patience)
			require.NoError(t, err)
			require.Equal(t, c.addrs["red2"], seen)
		}
	}
	seen := map[string]bool{}
	for range 4 {
		name, _, err := ask(c.space, "tcp", "10.100.4.9:80", patience)
		require.NoError(t, err)
		seen[name] = true
	}
	require.Len(t, seen, 2, "by the virtual address, here and there")

	t.Run("nothing readable is on the wire", func(t *testing.T) {
		capture := w.capture()
		_, _, err := ask(c.space, "tcp", a.addrs["red2"].String()+":80", patience)
		require.NoError(t, err)
		require.Zero(t, bytes.Count(capture(), []byte("hello")))
		plain := w.run(w.nodes[0], model.ID{}, "red")
		other := w.run(w.nodes[1], model.ID{}, "red")
		serve(t, plain.space, "plain", 80)
		w.sync()
		capture = w.capture()
		_, _, err = ask(other.space, "tcp", plain.addrs["red"].String()+":80", patience)
		require.NoError(t, err)
		require.NotZero(t, bytes.Count(capture(), []byte("hello")), "a plain network's is read: the capture works")
	})
	t.Run("full packets pass whole", func(t *testing.T) {
		require.True(t, fits(t, c, a.addrs["red2"], 1440))
		require.False(t, fits(t, c, a.addrs["red2"], 1441))
	})
	t.Run("a daemon that begins finds everything as it is", func(t *testing.T) {
		n := w.nodes[0]
		require.NoError(t, n.k.Close())
		n.start()
		keys, err := n.k.Keys()
		require.NoError(t, err)
		require.Equal(t, n.own.Keys, keys)
		before := n.k.Changes()
		n.sync()
		require.Equal(t, before, n.k.Changes())
		_, _, err = ask(c.space, "tcp", a.addrs["red2"].String()+":80", patience)
		require.NoError(t, err)
	})
	t.Run("a process that ends is missed and comes back", func(t *testing.T) {
		n := w.nodes[0]
		name := network.DeviceName(n.id, 1)
		out, err := exec.Command("pkill", "-9", "-f", "--", "--name "+name+" ").CombinedOutput()
		require.NoError(t, err, string(out))
		select {
		case <-n.k.Lost():
		case <-time.After(patience):
			t.Fatal("nobody notices")
		}
		n.sync()
		_, _, err = ask(c.space, "tcp", a.addrs["red2"].String()+":80", patience)
		require.NoError(t, err)
	})
	t.Run("a container comes to another node", func(t *testing.T) {
		// c has spoken to a, on the other node; now the address is here, and c's idea of its link address is as it was.
		at := a.addrs["red2"]
		w.on("red2", func(n *network.Network) { delete(n.Endpoints, a.id) })
		require.NoError(t, w.nodes[0].k.Detach(t.Context(), w.nodes[0].boxes[0].Links[0]))
		w.nodes[0].boxes = w.nodes[0].boxes[1:]
		w.sync()
		w.made = int(at.As4()[3]) - 101 + 256 // a number of its own, and the same address
		moved := w.run(w.nodes[1], web, "red2")
		require.Equal(t, at, moved.addrs["red2"])
		serve(t, moved.space, "moved", 80)
		w.sync()
		name, _, err := ask(c.space, "tcp", at.String()+":80", patience)
		require.NoError(t, err)
		require.Equal(t, "moved", name)
	})
}

// TestEncryptedAreApart tries to come from one encrypted network to another, and to a plain one.
func TestEncryptedAreApart(t *testing.T) {
	w := newWorld(t, 2)
	w.sealed("one", "10.100.5.0/24")
	w.sealed("two", "10.100.6.0/24")
	a := w.run(w.nodes[0], model.ID{}, "one")
	near, far := w.run(w.nodes[0], model.ID{}, "two"), w.run(w.nodes[1], model.ID{}, "two")
	friend := w.run(w.nodes[1], model.ID{}, "one")
	serve(t, a.space, "a", 80)
	w.sync()
	defer w.check()
	to := a.addrs["one"].String() + ":80"
	_, _, err := ask(friend.space, "tcp", to, patience)
	require.NoError(t, err)
	for _, c := range []*container{near, far} {
		require.NoError(t, c.route.RouteReplace(way(a.addrs["one"], netip.MustParseAddr("10.100.6.1"))))
		_, _, err := ask(c.space, "tcp", to, impatience)
		require.Error(t, err)
		// With an address of the other network.
		eth, err := c.link("eth0")
		require.NoError(t, err)
		require.NoError(t, c.setAddrs(eth, netip.MustParsePrefix("10.100.5.77/24")))
		_, _, err = ask(c.space, "udp", to, impatience)
		require.Error(t, err)
	}
}

// TestKeysAreChanged changes the keys of both nodes while packets are sent all the time, and misses none.
func TestKeysAreChanged(t *testing.T) {
	w := newWorld(t, 2)
	w.sealed("red2", "10.100.4.0/24")
	a, c := w.run(w.nodes[0], model.ID{}, "red2"), w.run(w.nodes[1], model.ID{}, "red2")
	serve(t, a.space, "a", 80)
	w.sync()
	defer w.check()
	_, _, err := ask(c.space, "tcp", a.addrs["red2"].String()+":80", patience)
	require.NoError(t, err)
	stop, sent := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		defer func() { sent <- n }()
		conn, err := dial(c.space, "udp", a.addrs["red2"].String()+":80", patience)
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, _, err := say(conn, time.Second); err != nil {
				t.Errorf("packet %d was lost: %v", n, err)
				return
			}
			n++
		}
	}()
	for generation := uint64(2); generation <= 4; generation++ {
		for _, n := range w.nodes { // one of them is ahead for a while
			w.rekey(n, generation)
			n.look()
			w.sync()
		}
		deadline := time.Now().Add(10 * time.Second)
		for _, n := range w.nodes {
			for {
				n.look()
				n.sync()
				if n.want.Encryption.Sends() == generation {
					break
				}
				require.True(t, time.Now().Before(deadline), "the key of generation %d does not come to be used", generation)
				time.Sleep(20 * time.Millisecond)
			}
		}
		for _, n := range w.nodes {
			w.keys(n, network.Ring{Keys: n.own.Keys}.Without().Keys)
			n.look()
			w.sync()
		}
	}
	close(stop)
	require.Greater(t, <-sent, 100)
}

// fits says whether a packet of a size, which may not be cut, is answered.
func fits(t *testing.T, c *container, to netip.Addr, size int) bool {
	t.Helper()
	conn, err := dial(c.space, "udp", to.String()+":80", patience)
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	raw, err := conn.(*net.UDPConn).SyscallConn()
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DO)
	}))
	require.NoError(t, err)
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	if _, err := conn.Write(make([]byte, size-28)); err != nil { // less the headers of IPv4 and UDP
		require.ErrorIs(t, err, unix.EMSGSIZE)
		return false
	}
	_, err = conn.Read(make([]byte, 128))
	require.NoError(t, err)
	return true
}

// capture reads all that passes the switch until what it returns is called, which gives it.
func (w *world) capture() func() []byte {
	w.t.Helper()
	fd := -1
	require.NoError(w.t, w.swtch.do(func() (err error) {
		const all = 0x0300 // ETH_P_ALL, in the network's order
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, all)
		return err
	}))
	f := os.NewFile(uintptr(fd), "capture")
	return func() (all []byte) {
		defer func() { _ = f.Close() }()
		buf := make([]byte, 1<<16)
		for {
			n, err := unix.Read(fd, buf)
			if err != nil {
				return all
			}
			all = append(append(all, buf[:n]...), 0)
		}
	}
}
