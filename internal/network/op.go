package network

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/skep-org/skep/internal/model"
)

// Act is what is done to a thing in the kernel.
type Act uint8

// Acts. Change is on something that is there and not as it is to be.
const (
	Add Act = iota + 1
	Change
	Remove
)

// Kind is what a thing in the kernel is.
type Kind string

// Kinds of things of a network's segment.
const (
	KindNamespace Kind = "namespace"
	KindBridge    Kind = "bridge"
	KindVXLAN     Kind = "vxlan"
	KindPort      Kind = "link"
	KindFDB       Kind = "fdb entry"
	KindNeighbour Kind = "neighbour"
)

// Kinds of things of what carries encrypted networks.
const (
	KindUplink Kind = "uplink" // of a network's segment
	KindCipher Kind = "namespace of the encryption"
	KindDevice Kind = "encrypting device"
	KindPeer   Kind = "peer"
	KindGates  Kind = "rules of the encryption"
	KindCovert Kind = "encrypted route"
)

// Kinds of things of a container's namespace.
const (
	KindBox      Kind = "rules"
	KindBalancer Kind = "virtual address"
	KindFlows    Kind = "connections" // to what is gone
)

// Kinds of things of the host.
const (
	KindSysctl    Kind = "sysctl"
	KindTable     Kind = "table of rules"
	KindMember    Kind = "member"
	KindClient    Kind = "node address"
	KindMark      Kind = "mark"
	KindPublished Kind = "published port"
	KindRoute     Kind = "route"
	KindReturn    Kind = "return route"
	KindRule      Kind = "policy rule"
	KindAccept    Kind = "firewall accept"
)

// Op is one thing to do to the kernel. Which fields count follows from its Kind.
type Op struct {
	Act     Act
	Kind    Kind
	Network model.ID // whose segment; with Box, whose balancer
	Box     string   // path of the container's namespace; empty with a zero Network: the host
	Ingress bool     // the segment is the ingress network's
	Cipher  bool     // it is in the namespace of the encryption

	Name     string     // of a link, a sysctl, a chain
	Value    string     // of a sysctl
	Addr     netip.Addr // of a neighbour, a VIP, a member, a node; where an FDB entry leads; a return route's next node
	MAC      LinkAddr
	Prefix   netip.Prefix
	Mark     uint32
	Route    Route
	Rule     Rule
	Port     PortKey
	Backends *Backends
	Local    LocalPort
	Segment  *Segment
	Host     *Host
	Flows    *Flows
	Device   *Device
	Peer     *Peer // with Was, which it was before; nil: unknown
	Was      *Peer
	Key      Key
	Encrypt  *Encrypted
}

// Flows says which connections are to be forgotten: those to Gone; or, if that is nil, all in Subnet but those to Alive.
type Flows struct {
	Subnet netip.Prefix
	Gone   map[netip.Addr]struct{}
	Alive  map[netip.Addr]struct{}
}

// Forgets says whether a connection that ends at an address is to be forgotten.
func (f *Flows) Forgets(a netip.Addr) bool {
	if f.Gone != nil {
		_, gone := f.Gone[a]
		return gone
	}
	_, alive := f.Alive[a]
	return !alive && f.Subnet.Contains(a)
}

// Where says in which namespace it is.
func (o Op) Where() string {
	switch {
	case o.Cipher:
		return "encryption"
	case o.Box != "":
		return "container " + o.Box
	case !o.Network.IsZero() && !o.Ingress:
		return "network " + o.Network.String()
	}
	return "host"
}

// What names the thing.
func (o Op) What() string {
	var b strings.Builder
	b.WriteString(string(o.Kind))
	switch o.Kind {
	case KindBridge:
		fmt.Fprintf(&b, " %s mtu %d", o.Segment.Bridge.Addr, o.Segment.Bridge.MTU)
	case KindVXLAN:
		v := o.Segment.VXLAN
		fmt.Fprintf(&b, " vni %d port %d from %s mtu %d", v.VNI, v.Port, v.Local, v.MTU)
		if v.Addr.IsValid() {
			fmt.Fprintf(&b, " address %s", v.Addr)
		}
	case KindUplink:
		fmt.Fprintf(&b, " to %s mtu %d", o.Segment.Uplink.Subnet, o.Segment.Uplink.MTU)
	case KindDevice:
		fmt.Fprintf(&b, " %s", o.Name)
		if o.Device != nil {
			fmt.Fprintf(&b, " generation %d port %d mtu %d", o.Device.Generation, o.Device.Port, o.Device.MTU)
		}
	case KindPeer:
		fmt.Fprintf(&b, " %.8s of %s", o.Key, o.Name)
		if o.Act != Remove {
			fmt.Fprintf(&b, " at %s with %d addresses", o.Peer.Endpoint, len(o.Peer.Allowed))
		}
	case KindCovert:
		fmt.Fprintf(&b, " %s by %s", o.Addr, o.Name)
	case KindPort:
		fmt.Fprintf(&b, " %s of %s", o.Name, o.Local.Addr)
	case KindFDB:
		fmt.Fprintf(&b, " %s at %s", o.MAC, o.Addr)
	case KindNeighbour:
		fmt.Fprintf(&b, " %s is %s", o.Addr, o.MAC)
	case KindBalancer:
		fmt.Fprintf(&b, " %s%s", o.Addr, backends(o.Backends))
	case KindPublished:
		fmt.Fprintf(&b, " %s%s", o.Port, backends(o.Backends))
	case KindFlows:
		if o.Flows.Gone == nil {
			fmt.Fprintf(&b, " in %s but to %d addresses", o.Flows.Subnet, len(o.Flows.Alive))
			break
		}
		for _, a := range sorted(o.Flows.Gone, netip.Addr.Compare) {
			fmt.Fprintf(&b, " %s", a)
		}
	case KindSysctl:
		fmt.Fprintf(&b, " %s=%s", o.Name, o.Value)
	case KindMember, KindClient:
		fmt.Fprintf(&b, " %s", o.Addr)
	case KindMark:
		fmt.Fprintf(&b, " %#x for %s", o.Mark, o.MAC)
	case KindRoute:
		fmt.Fprintf(&b, " %s %s", o.Prefix, o.Route)
	case KindReturn:
		fmt.Fprintf(&b, " %#x via %s", o.Mark, o.Addr)
	case KindRule:
		fmt.Fprintf(&b, " %s", o.Rule)
	}
	return b.String()
}

func (o Op) String() string {
	return fmt.Sprintf("%s: %s %s", o.Where(), [...]string{"?", "add", "change", "remove"}[o.Act], o.What())
}

func backends(b *Backends) string {
	if b == nil {
		return ""
	}
	list := make([]string, len(b.List))
	for i, at := range b.List {
		list[i] = at.String()
		if at.Port() == 0 {
			list[i] = at.Addr().String()
		}
	}
	return " → [" + strings.Join(list, " ") + "]"
}

func (p PortKey) String() string { return fmt.Sprintf("%d/%s", p.Port, p.Protocol) }

func (r Route) String() string {
	switch {
	case r.Dev == "":
		return "unreachable"
	case r.Via.IsValid():
		return "via " + r.Via.String() + " on " + r.Dev
	}
	return "on " + r.Dev
}

func (r Rule) String() string {
	s := fmt.Sprintf("%d from %s mark %#x/%#x", r.Priority, r.From, r.Mark, r.Mask)
	if r.Table != 0 {
		return fmt.Sprintf("%s table %#x", s, r.Table)
	}
	return fmt.Sprintf("%s goto %d", s, r.Goto)
}
