package kernel

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/skep-org/skep/internal/network"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/wgctrl"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"
)

const (
	// devicePrefix begins the names of WireGuard devices.
	devicePrefix = "skwg"
	// keepalive has a handshake done before there is something to send, and shows that a key works. Nodes that send each
	// other nothing send that.
	keepalive = 25 * time.Second
	// endPatience is how long what ran a device may take to end.
	endPatience = 2 * time.Second
)

// wireguard calls f with what sets up devices of the namespace, whether the kernel has them or a process.
func (s *space) wireguard(f func(*wgctrl.Client) error) error {
	var c *wgctrl.Client
	err := s.do(func() (err error) {
		c, err = wgctrl.New()
		return err
	})
	if err != nil {
		return fmt.Errorf("opening the way to WireGuard devices: %w", err)
	}
	return errors.Join(f(c), c.Close())
}

// makeDevice makes a device, or makes the one there as it is to be. The kernel's is made in the host's namespace, where its
// socket stays.
func (k *Kernel) makeDevice(s *space, name string, d *network.Device) error {
	private, ok := k.secrets[d.Key]
	if !ok {
		return fmt.Errorf("the private key of generation %d is not known any more", d.Generation)
	}
	l, err := s.link(name)
	if err != nil {
		return err
	}
	if l != nil && (l.Type() != "wireguard" && l.Attrs().MTU != d.MTU || !answers(l)) {
		if err := k.removeDevice(s, name); err != nil {
			return err
		}
		l = nil
	}
	if l == nil {
		if l, err = k.newDevice(s, name, d.MTU); err != nil {
			return err
		}
	}
	k.watch(l)
	port, mark := int(d.Port), 0
	err = s.wireguard(func(c *wgctrl.Client) error {
		is, err := c.Device(name)
		if err != nil {
			return err
		}
		return c.ConfigureDevice(name, wgtypes.Config{
			PrivateKey: &private, ListenPort: &port, FirewallMark: &mark, ReplacePeers: is.PrivateKey != private,
		})
	})
	if err != nil {
		return fmt.Errorf("telling the device %s its key: %w", name, err)
	}
	if l.Attrs().MTU != d.MTU {
		if err := s.route.LinkSetMTU(l, d.MTU); err != nil {
			return fmt.Errorf("setting the MTU of %s to %d: %w", name, d.MTU, err)
		}
	}
	return errors.Join(s.route.LinkSetAlias(l, alias(d.Generation)), s.route.LinkSetUp(l))
}

// alias says of which generation a device's key is, for a daemon that begins.
func alias(generation uint64) string { return fmt.Sprintf(aliasFormat, generation) }

// generationOf reads an alias.
func generationOf(l netlink.Link) (generation uint64, err error) {
	_, err = fmt.Sscanf(l.Attrs().Alias, aliasFormat, &generation)
	return generation, err
}

const aliasFormat = "skep generation %d"

func (k *Kernel) newDevice(s *space, name string, mtu int) (netlink.Link, error) {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = name, mtu
	err := k.host.route.LinkAdd(&netlink.Wireguard{LinkAttrs: attrs})
	switch {
	case errors.Is(err, unix.EOPNOTSUPP):
		err = k.startDevice(name, mtu)
	case err == nil:
		err = k.moveDevice(s, name)
	}
	if err != nil {
		return nil, fmt.Errorf("making the device %s: %w", name, err)
	}
	l, err := s.link(name)
	if err != nil || l == nil {
		return nil, errors.Join(err, fmt.Errorf("the device %s just made is not there", name))
	}
	return l, nil
}

func (k *Kernel) moveDevice(s *space, name string) error {
	l, err := k.host.link(name)
	if err != nil || l == nil {
		return errors.Join(err, errors.New("it is not there"))
	}
	if err := k.host.route.LinkSetNsFd(l, int(s.ns)); err != nil {
		return errors.Join(err, k.host.removeLinks(name))
	}
	return nil
}

// removeDevice removes a device. A process that ran it ends with it, and is waited for: the next one has the same name.
func (k *Kernel) removeDevice(s *space, name string) error {
	k.unwatch(name)
	if err := s.removeLinks(name); err != nil {
		return err
	}
	for began := time.Now(); time.Since(began) < endPatience; time.Sleep(5 * time.Millisecond) {
		if !runs(name) {
			return nil
		}
	}
	return fmt.Errorf("the process of the device %s has not ended", name)
}

// setPeer tells a device of another node, what changed about it, or that it is none any more.
func (s *space) setPeer(op network.Op) error {
	every := keepalive
	p := wgtypes.PeerConfig{PublicKey: wgtypes.Key(op.Key), Remove: op.Act == network.Remove}
	if op.Act != network.Remove {
		p.Endpoint, p.PersistentKeepaliveInterval = net.UDPAddrFromAddrPort(op.Peer.Endpoint), &every
		// What the peer has already is not taken from it even for a moment, unless something is to go.
		p.ReplaceAllowedIPs = op.Was == nil || !subset(op.Was.Allowed, op.Peer.Allowed)
		for _, a := range op.Peer.Allowed {
			p.AllowedIPs = append(p.AllowedIPs, *ipNet(netip.PrefixFrom(a, a.BitLen())))
		}
	}
	return s.wireguard(func(c *wgctrl.Client) error {
		return c.ConfigureDevice(op.Name, wgtypes.Config{Peers: []wgtypes.PeerConfig{p}})
	})
}

// subset says whether all of one sorted list are in another.
func subset(of, in []netip.Addr) bool {
	for _, a := range in {
		if len(of) > 0 && of[0] == a {
			of = of[1:]
		}
	}
	return len(of) == 0
}

// readDevice reads a device with whom it knows; nil: it is not as one of skep's is, or does not answer.
func (s *space) readDevice(l netlink.Link) *network.Device {
	d := &network.Device{MTU: l.Attrs().MTU, Peers: map[network.Key]*network.Peer{}}
	var err error
	if d.Generation, err = generationOf(l); err != nil {
		return nil
	}
	err = s.wireguard(func(c *wgctrl.Client) error {
		is, err := c.Device(l.Attrs().Name)
		if err != nil {
			return err
		}
		d.Key, d.Port = network.Key(is.PublicKey), uint16(is.ListenPort)
		for _, p := range is.Peers {
			var allowed []netip.Addr
			for _, n := range p.AllowedIPs {
				allowed = append(allowed, prefixOf(&n).Addr())
			}
			var at netip.AddrPort
			if p.Endpoint != nil {
				at = p.Endpoint.AddrPort()
				at = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
			}
			d.Peers[network.Key(p.PublicKey)] = network.NewPeer(at, allowed)
		}
		return nil
	})
	if err != nil {
		return nil
	}
	return d
}

// NewKey makes a key for a generation. The private half stays here, in memory.
func (k *Kernel) NewKey(generation uint64) (network.NodeKey, error) {
	private, err := wgtypes.GeneratePrivateKey()
	if err != nil {
		return network.NodeKey{}, fmt.Errorf("making a key for encrypted networks: %w", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	key := network.NodeKey{Generation: generation, Key: network.Key(private.PublicKey())}
	if key.Port, err = k.freePort(network.EncryptionPort + uint16(generation%2)); err != nil {
		return network.NodeKey{}, err
	}
	k.secrets[key.Key] = private
	return key, nil
}

// freePort is a port of the host, or another one if somebody has it: the other nodes are told which it is.
func (k *Kernel) freePort(port uint16) (uint16, error) {
	taken := port
	err := k.host.do(func() error {
		c, err := net.ListenUDP("udp", &net.UDPAddr{Port: int(port)})
		if errors.Is(err, unix.EADDRINUSE) {
			c, err = net.ListenUDP("udp", nil)
		}
		if err != nil {
			return fmt.Errorf("finding a UDP port for encrypted networks: %w", err)
		}
		taken = c.LocalAddr().(*net.UDPAddr).AddrPort().Port()
		return c.Close()
	})
	if err == nil && taken != port {
		k.log.Warn("another program has the UDP port of encrypted networks, and this node takes another one: a firewall has to let it through", "port", port, "instead", taken)
	}
	return taken, err
}

// Forget loses a private key.
func (k *Kernel) Forget(key network.Key) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.secrets, key)
}

// Keys are those of the devices that an earlier process has left, the older one first.
func (k *Kernel) Keys() (keys network.Keys, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	err = k.eachDevice(func(d *wgtypes.Device, generation uint64) {
		key := network.NodeKey{Generation: generation, Key: network.Key(d.PublicKey), Port: uint16(d.ListenPort)}
		if generation == 0 || d.PrivateKey == (wgtypes.Key{}) || keys[1].Generation != 0 {
			return
		}
		k.secrets[key.Key] = d.PrivateKey
		switch {
		case keys[0].Generation == 0:
			keys[0] = key
		case keys[0].Generation < generation:
			keys[1] = key
		default:
			keys[0], keys[1] = key, keys[0]
		}
	})
	return keys, err
}

// Live are the keys of other nodes with which a handshake was done: packets by them arrive, in both directions.
func (k *Kernel) Live() (map[network.Key]struct{}, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	live := map[network.Key]struct{}{}
	err := k.eachDevice(func(d *wgtypes.Device, _ uint64) {
		for _, p := range d.Peers {
			if !p.LastHandshakeTime.IsZero() && p.LastHandshakeTime.Unix() > 0 {
				live[network.Key(p.PublicKey)] = struct{}{}
			}
		}
	})
	return live, err
}

// eachDevice calls f with each device that answers. The caller holds mu.
func (k *Kernel) eachDevice(f func(d *wgtypes.Device, generation uint64)) error {
	s, err := k.space(cipherID())
	if err != nil || s == nil {
		return err
	}
	links, err := s.route.LinkList()
	if err != nil {
		return fmt.Errorf("reading the interfaces of the encryption: %w", err)
	}
	return s.wireguard(func(c *wgctrl.Client) error {
		for _, l := range links {
			if !isDevice(l.Attrs().Name) {
				continue
			}
			generation, _ := generationOf(l) // 0: a device that was not finished
			if d, err := c.Device(l.Attrs().Name); err == nil {
				f(d, generation)
			}
		}
		return nil
	})
}

// Ways to carry encrypted networks.
const (
	MeansKernel  = "kernel"
	MeansProcess = "process"
)

// Means says by what this machine can carry encrypted networks; an error says, in a sentence, why it cannot.
func (k *Kernel) Means() (string, error) {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = probeName
	err := k.host.route.LinkAdd(&netlink.Wireguard{LinkAttrs: attrs})
	if err == nil || errors.Is(err, unix.EEXIST) {
		return MeansKernel, k.host.removeLinks(probeName)
	}
	tun, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err == nil {
		var request *unix.Ifreq
		if request, err = unix.NewIfreq("skepprobe%d"); err == nil {
			request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
			err = k.host.do(func() error { return unix.IoctlIfreq(int(tun.Fd()), unix.TUNSETIFF, request) })
		}
		_ = tun.Close()
	}
	if err != nil {
		return "", fmt.Errorf("no TUN device: %s, and the kernel has no WireGuard", strings.TrimPrefix(err.Error(), "open "))
	}
	return MeansProcess, nil
}
