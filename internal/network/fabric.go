package network

import (
	"net/netip"

	"github.com/skep-org/skep/internal/model"
)

// DefaultPort is the UDP port that carries the overlays.
const DefaultPort = 4789

// Fabric is what the managers told this node of the cluster's networks. It is immutable.
type Fabric struct {
	Epoch, Version uint64 // of the managers' state it was made from
	Port           uint16 // UDP port of the overlays
	Nodes          map[model.ID]Node
	Networks       map[model.ID]*Network
}

// Node is a node of the cluster as others send packets to it.
type Node struct {
	ID       model.ID
	Underlay netip.Addr   // where its overlay packets are sent
	Ingress  netip.Prefix // its own address on the ingress network; invalid: it has none
	Down     bool         // taken for dead: connections to what runs there are reset
	Keys     Keys         // of what carries encrypted networks there
	Sends    uint64       // the oldest generation of keys that it still sends by; zero: by none
}

// Network is one network of the cluster that this node is on.
type Network struct {
	ID         model.ID
	Name       string
	VNI        uint32
	Subnet     netip.Prefix
	Gateway    netip.Addr // where names are asked, the same address on every node
	MTU        int        // asked for by its user; 0: what the underlay carries
	Ingress    bool       // the one network that published ports and node addresses are on
	Internal   bool       // no way out
	Encrypted  bool       // what passes between nodes is
	Attachable bool
	Services   map[model.ID]*Service
	Endpoints  map[model.ID]*Endpoint
}

// Service is a service on one network.
type Service struct {
	ID      model.ID
	Name    string
	VIP     netip.Addr // invalid: names lead to the tasks' own addresses
	Aliases []string   // further names on this network
	Ports   []Port     // published through the ingress network; only there
}

// Port is a port of a service's containers that is published on every node, or of one container on its own.
type Port struct {
	Protocol          string // tcp, udp, sctp
	Published, Target uint16
}

// Endpoint is one container's place on one network, from when it has an address until its container has ended.
type Endpoint struct {
	ID      model.ID // of the task, or of the guest
	Service model.ID // zero: a guest
	Node    model.ID
	Addr    netip.Addr
	Serving bool     // it may be given connections and be told to who asks for names
	Names   []string // its own names on this network
}
