package network

import (
	"encoding/hex"
	"net"
	"net/netip"

	"github.com/skep-org/skep/internal/model"
)

// Desired is everything the kernel of one node is to hold for the cluster's networks. Package kernel reads the same
// from the kernel, so that a difference of two of them is what there is to do. It is immutable.
type Desired struct {
	Segments map[model.ID]*Segment // one for each network
	Boxes    map[string]*Box       // one for each container, by the path of its namespace
	Host     *Host
	// Encryption carries the encrypted networks; nil: there are none.
	Encryption *Encrypted

	from source
}

// source is what a Desired was planned from; zero in one that was read from a kernel.
type source struct {
	fabric   *Fabric
	self     model.ID
	boxes    []Sandbox
	settings Settings
}

// Segment is a network's part on this node: the interfaces that carry it, and where its addresses are found.
// The ingress network's is in the host's own namespace and routed: it has no bridge. Every other has a namespace with a
// bridge for itself. An encrypted one's is routed as well: its containers' packets go by the bridge's address, those for
// other nodes through the uplink. The ingress network is encrypted by having its VXLAN packets sent where the encryption is.
type Segment struct {
	Network    model.ID
	Ingress    bool
	Namespace  bool // it exists; of the ingress network always
	Encrypted  bool
	Bridge     Bridge
	VXLAN      VXLAN                   // not of an encrypted one, but for the ingress network
	Uplink     Uplink                  // of an encrypted one
	Ports      map[string]LocalPort    // of containers on this node, by interface
	FDB        map[LinkAddr]netip.Addr // where frames for others' containers are sent
	Neighbours map[netip.Addr]LinkAddr // of others' containers; of other nodes, in the ingress network
	Balancers  *Balancers              // what every container on it gets; not of the ingress network
	network    *Network                // nil if it was read from a kernel
}

// Bridge is what the containers of a network are connected to. Its address is the network's gateway, the same on all nodes.
type Bridge struct {
	Addr netip.Prefix
	MTU  int
}

// VXLAN is the interface that sends frames to other nodes.
type VXLAN struct {
	VNI   uint32
	Port  uint16
	Local netip.Addr   // the node's underlay address
	Addr  netip.Prefix // the node's own on the ingress network, a single one; invalid elsewhere
	MTU   int
	// Covert has its packets sent and taken in the namespace of the encryption, where Local is Addr's address.
	Covert bool
}

// LocalPort is one container's connection.
type LocalPort struct {
	Addr    netip.Prefix // the container's
	Gateway netip.Addr   // where its default route leads; invalid: not through this network
	Routed  bool         // in an encrypted network: what it sends goes by the bridge's own address, whoever it is for
	Box     string
}

// Box is what one container's own namespace holds: the load balancers of the networks it is on.
type Box struct {
	Key    string
	Tables map[model.ID]*Balancers
	Broken bool // as read: its rules are not as they were made, and all are to be made anew
}

// Balancers are the virtual addresses of one network, with what is behind each.
type Balancers struct{ ByVIP map[netip.Addr]*Backends }

// Backends are what new connections are spread over. There may be none: then they are refused.
type Backends struct {
	List []netip.AddrPort // in order; port 0: the one that was asked for
	Sum  string           // of the list: what is compared, for the kernel gives the list back only by detours
}

// PortKey is a port of the host.
type PortKey struct {
	Protocol string // tcp, udp, sctp
	Port     uint16
}

// Host is what the host's own namespace holds beside the segment of the ingress network.
type Host struct {
	Port    uint16                  // overlay packets to it are taken from Members alone
	Members map[netip.Addr]struct{} // nil as read: the table of rules is not as it was made
	Sixth   bool                    // nodes reach each other by IPv6: there is a table of rules for it
	Sysctls map[string]string
	Ingress *Ingress // nil: the node has no address on an ingress network
}

// Ingress is the routing mesh on this node.
type Ingress struct {
	Subnet    netip.Prefix
	Own       netip.Addr
	Unmarked  bool                    // entries of this node cannot be marked on others: clients' addresses are not kept
	Clients   map[netip.Addr]struct{} // addresses of nodes, which as clients are seen as the node they entered at
	Marks     map[LinkAddr]uint32     // the mark of connections that entered at another node
	Routes    map[netip.Prefix]Route  // to containers and nodes
	Returns   map[uint32]netip.Addr   // by mark: the node that answers go back through
	Rules     map[Rule]struct{}       // that lead marked packets there
	Published map[PortKey]*Backends   // on this node's own addresses
	Accepted  bool                    // the host's firewall lets it all pass

	own map[PortKey][]netip.AddrPort
}

// Route is a way to an address. Neither field set: the address is unreachable.
type Route struct {
	Via netip.Addr // the next node; invalid: the address is on the interface itself
	Dev string
}

// Rule is a policy rule for packets from the ingress network that bear a mark.
type Rule struct {
	Priority   uint32
	From       netip.Prefix
	Mark, Mask uint32
	Table      uint32 // zero: it is a jump
	Goto       uint32
}

// LinkAddr is a link address that can be a key.
type LinkAddr [6]byte

// LinkAddrOf is the link address that goes with an IPv4 address.
func LinkAddrOf(a netip.Addr) LinkAddr { return LinkAddr(MAC(a)) }

// Hardware is the address as package net has it.
func (l LinkAddr) Hardware() net.HardwareAddr { return l[:] }

func (l LinkAddr) String() string { return net.HardwareAddr(l[:]).String() }

// IngressLink is the interface of the host that leads to other nodes' ingress containers. The host's ends of its own
// containers' links begin with [LinkPrefix] too, so that one pattern names all of them.
const IngressLink = "skep-ingress"

// LinkPrefix begins the names of all interfaces that belong to skep.
const LinkPrefix = "skep"

// Names of the interfaces inside a network's own namespace.
const (
	BridgeLink = "bridge0"
	VXLANLink  = "vxlan0"
)

// PeerName is what the container's end of a link is called until it is moved into the container.
func PeerName(link string) string { return "sbox" + link[len(LinkPrefix):] }

// PassingName is what the VXLAN of a network is called in the host's namespace, where it is made and left at once.
func PassingName(network model.ID) string { return "skvx" + hex.EncodeToString(network[:6])[:11] }
