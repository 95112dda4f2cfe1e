package network

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/skep-org/skep/internal/model"
)

// Key is a node's public key for encrypted networks.
type Key [32]byte

func (k Key) String() string { return base64.StdEncoding.EncodeToString(k[:]) }

func (k Key) compare(other Key) int { return slices.Compare(k[:], other[:]) }

// NodeKey is a key that others encrypt to a node by. A node has at most two: while one takes the place of another, both are
// good. Keys of one generation go together: what two nodes say to each other, they say by keys of the same.
type NodeKey struct {
	Generation uint64 // from 1; zero: there is no key
	Key        Key
	Port       uint16 // UDP port that it is used at
}

// Keys are a node's, the older one first.
type Keys [2]NodeKey

// of is the key of a generation.
func (k Keys) of(generation uint64) (NodeKey, bool) {
	for _, one := range k {
		if one.Generation == generation && generation != 0 {
			return one, true
		}
	}
	return NodeKey{}, false
}

// Newest is the generation of the newest key; zero: there is none.
func (k Keys) Newest() uint64 { return max(k[0].Generation, k[1].Generation) }

// Encryption is what the node itself has of the encryption. It is immutable.
type Encryption struct {
	Keys Keys             // its own, public
	Live map[Key]struct{} // keys of other nodes by which packets can be sent just now
}

// Encrypted is what carries encrypted networks: a namespace with a WireGuard device for each of the node's keys, which the
// encrypted networks on this node have an interface to.
type Encrypted struct {
	Namespace bool
	Devices   map[string]*Device
	Gates     map[string]Gate // of networks, by the name of their interface there
	Gated     string          // Sum of what the rules let pass; empty: there are none, and nothing passes
	Mesh      Mesh
	Routes    map[netip.Addr]string
}

// Mesh is the node's own address in the encryption, the one that it has on the ingress network. Other nodes' pings are answered
// there, and VXLAN packets taken if the ingress network is encrypted; nothing else.
type Mesh struct {
	Own  netip.Prefix // with the network's length; invalid: the node has none
	Port uint16       // of VXLAN packets; zero: none are taken
}

// Device is a WireGuard device. Keys of two generations are never on one: each has only one key, and packets by the old and
// by the new one have to be taken at the same time.
type Device struct {
	NodeKey
	MTU   int
	Peers map[Key]*Peer
}

// Peer is another node to a device.
type Peer struct {
	Endpoint netip.AddrPort
	Allowed  []netip.Addr // its own on the ingress network, its containers' on networks of this node: what may come from it, and go to it
	Sum      string
}

// Gate is where a network's packets come to the devices. What passes is from the network and for it.
type Gate struct {
	Network model.ID
	Subnet  netip.Prefix
}

// Uplink is the interface by which an encrypted network's packets leave its namespace.
type Uplink struct {
	Subnet netip.Prefix
	MTU    int
}

// UplinkLink is its name in the network's namespace.
const UplinkLink = "uplink0"

// GateName is its other end's, where the devices are.
func GateName(network model.ID) string {
	sum := sha256.Sum256(network[:])
	return "sken" + hex.EncodeToString(sum[:])[:11]
}

// DeviceName is the name of a node's device for a generation of its keys. It has the node's id in it, for the socket that
// a process is spoken to by has the device's name.
func DeviceName(self model.ID, generation uint64) string {
	return "skwg" + hex.EncodeToString(self[len(self)-4:]) + string('0'+rune(generation%2))
}

// NewPeer is a peer to whom addresses belong.
func NewPeer(endpoint netip.AddrPort, allowed []netip.Addr) *Peer {
	slices.SortFunc(allowed, netip.Addr.Compare)
	list := make([]netip.AddrPort, len(allowed))
	for i, a := range allowed {
		list[i] = netip.AddrPortFrom(a, 0)
	}
	return &Peer{Endpoint: endpoint, Allowed: allowed, Sum: endpoint.String() + " " + sumOf(list)}
}

// encrypt is what carries the encrypted networks of this node; nil: there are none.
func (d *Desired) encrypt(before *Desired) *Encrypted {
	same, any := before != nil && before.from.settings == d.from.settings, false
	for id, s := range d.Segments {
		any = any || s.Encrypted
		same = same && (!s.Encrypted || before.Segments[id].of() == s.network)
	}
	if !any {
		return nil
	}
	if same && before.Encryption != nil && !d.fewer(before) {
		return before.Encryption
	}
	e := &Encrypted{Namespace: true, Devices: map[string]*Device{}, Gates: map[string]Gate{}, Routes: map[netip.Addr]string{}}
	e.Mesh.Own = d.from.fabric.Nodes[d.from.self].Ingress
	allowed, mtu := map[model.ID][]netip.Addr{}, 0
	for id, s := range d.Segments {
		if s.Encrypted {
			mtu = max(mtu, d.carry(e, id, s, allowed))
		}
	}
	for node, containers := range allowed {
		if own := d.from.fabric.Nodes[node].Ingress; own.IsValid() {
			allowed[node] = append(containers, own.Addr())
		}
	}
	e.Gated = e.Sum()
	if own := d.from.settings.Encryption; own != nil {
		for _, key := range own.Keys {
			if key.Generation != 0 {
				e.Devices[DeviceName(d.from.self, key.Generation)] = &Device{NodeKey: key, MTU: mtu, Peers: map[Key]*Peer{}}
			}
		}
		d.peers(e, own, allowed)
	}
	return e
}

// carry adds a network to what is carried: the other nodes that are on it, with their containers' addresses there. It returns
// how large packets may be that are encrypted.
func (d *Desired) carry(e *Encrypted, id model.ID, s *Segment, allowed map[model.ID][]netip.Addr) (mtu int) {
	if s.Ingress {
		e.Mesh.Port = s.VXLAN.Port
		for node := range d.from.fabric.Nodes {
			if _, there := allowed[node]; !there && node != d.from.self {
				allowed[node] = nil
			}
		}
		return s.VXLAN.MTU + Overhead
	}
	e.Gates[GateName(id)] = Gate{id, s.network.Subnet.Masked()}
	for _, ep := range s.network.Endpoints {
		if ep.Node != d.from.self && ep.Addr.IsValid() {
			allowed[ep.Node] = append(allowed[ep.Node], ep.Addr)
		}
	}
	return s.Uplink.MTU
}

// fewer says that an encrypted network has gone.
func (d *Desired) fewer(before *Desired) bool {
	for id, s := range before.Segments {
		if s.Encrypted && d.Segments[id] == nil {
			return true
		}
	}
	return false
}

// peers are the other nodes to each of the devices, and the device by which each of their containers is reached: the
// newest one that is known to work both ways; else the newest one that both nodes have.
func (d *Desired) peers(e *Encrypted, own *Encryption, allowed map[model.ID][]netip.Addr) {
	for id, addrs := range allowed {
		node, way := d.from.fabric.Nodes[id], ""
		if !node.Underlay.IsValid() {
			continue
		}
		for _, mine := range own.Keys {
			theirs, ok := node.Keys.of(mine.Generation)
			if !ok {
				continue
			}
			name := DeviceName(d.from.self, mine.Generation)
			e.Devices[name].Peers[theirs.Key] = NewPeer(netip.AddrPortFrom(node.Underlay, theirs.Port), slices.Clone(addrs))
			if _, live := own.Live[theirs.Key]; live || way == "" || !own.sends(node.Keys) {
				way = name
			}
		}
		for _, a := range addrs {
			if way != "" {
				e.Routes[a] = way
			}
		}
	}
}

// sends says whether one of a node's keys is known to work.
func (own *Encryption) sends(keys Keys) bool {
	for _, k := range keys {
		if _, live := own.Live[k.Key]; live && k.Generation != 0 {
			return true
		}
	}
	return false
}

// Sum tells rules for one set of gates from those for another.
func (e *Encrypted) Sum() string {
	h := sha256.New()
	for name, g := range byKey(e.Gates, cmp.Compare[string]) {
		fmt.Fprintln(h, name, g.Subnet)
	}
	fmt.Fprintln(h, e.Mesh)
	return fmt.Sprintf("skep 2 networks %d mesh %t %t %x", len(e.Gates), e.Mesh.Own.IsValid(), e.Mesh.Port != 0, h.Sum(nil)[:8])
}

// Has says whether packets by one of this node's keys are taken.
func (e *Encrypted) Has(key Key) bool {
	for _, dev := range e.Devices {
		if dev.Key == key {
			return true
		}
	}
	return false
}

// sendsTo are the nodes that packets are sent to by keys up to a generation.
func (e *Encrypted) sendsTo(f *Fabric, old uint64) (nodes []model.ID) {
	for _, id := range sortedIDs(f.Nodes) {
		theirs := f.Nodes[id].Keys
		for name, dev := range e.Devices {
			key, ok := theirs.of(dev.Generation)
			if p := dev.Peers[key.Key]; ok && dev.Generation <= old && p != nil && slices.ContainsFunc(p.Allowed, func(a netip.Addr) bool { return e.Routes[a] == name }) {
				nodes = append(nodes, id)
				break
			}
		}
	}
	return nodes
}

// Sends is the oldest generation of keys by which a node still sends to others; zero: it sends to nobody.
func (e *Encrypted) Sends() (oldest uint64) {
	if e == nil {
		return 0
	}
	used := map[string]bool{}
	for name := range maps.Values(e.Routes) {
		used[name] = true
	}
	for name := range used {
		if dev := e.Devices[name]; dev != nil && (oldest == 0 || dev.Generation < oldest) {
			oldest = dev.Generation
		}
	}
	return oldest
}
