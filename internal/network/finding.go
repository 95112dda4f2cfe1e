package network

import (
	"fmt"

	"github.com/skep-org/skep/internal/model"
)

// Area is the part of a node's network that a finding is about.
type Area string

// The areas, in the order in which a packet meets them.
const (
	AreaDesired Area = "desired" // what the managers said, or did not say
	AreaKernel  Area = "kernel"  // links, addresses, forwarding entries, routes, nft rules
	AreaEngine  Area = "engine"  // the Docker Engine's networks and endpoints
	AreaNames   Area = "names"   // the name servers
	AreaReach   Area = "reach"   // other nodes, as packets find them
)

// Finding is one thing that is not as it should be. Where all is well there is none.
type Finding struct {
	Area   Area     `json:"area"`
	Object string   `json:"object"`        // what it is about: network web, node 192.0.2.7
	Peer   model.ID `json:"peer,omitzero"` // the other node that it is about, if it is
	Wrong  string   `json:"wrong"`         // what is so and should not be
	Remedy string   `json:"remedy"`        // one sentence: what to do, or that skep does it by itself
}

// String is the finding on one line.
func (f Finding) String() string {
	return fmt.Sprintf("%s: %s: %s. %s", f.Area, f.Object, f.Wrong, f.Remedy)
}
