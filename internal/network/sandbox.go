package network

import (
	"crypto/sha256"
	"encoding/hex"
	"net"
	"net/netip"

	"github.com/skep-org/skep/internal/model"
)

// Sandbox is the network namespace of one container on this node.
type Sandbox struct {
	Key       string // its path
	Owner     model.ID
	Links     []Link
	HostPorts []Port // published on this node alone, of a container whose default route is the ingress network
}

// Link is a container's interface on one network.
type Link struct {
	Endpoint model.ID // of the task, or of the guest
	Network  model.ID
	Addr     netip.Prefix
}

// Name is what the link is called on the network's side, before and after the engine has moved its other end.
func (l Link) Name() string { return LinkName(l.Network, l.Endpoint) }

// LinkName is the name of an endpoint's interface on its network's side: 15 characters, the kernel's limit.
func LinkName(network, endpoint model.ID) string {
	sum := sha256.Sum256(append(network[:], endpoint[:]...))
	return "skep" + hex.EncodeToString(sum[:])[:11]
}

// MAC is the link address that goes with an IPv4 address, as Docker derives it: nobody has to be asked for it.
func MAC(a netip.Addr) net.HardwareAddr {
	b := a.As4()
	return net.HardwareAddr{0x02, 0x42, b[0], b[1], b[2], b[3]}
}
