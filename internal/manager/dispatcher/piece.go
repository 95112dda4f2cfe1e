package dispatcher

import (
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/wire"
	"google.golang.org/protobuf/proto"
)

const (
	// partSize is what one message is filled up to, pieceSize what of one network is not cut any more. With a network's
	// own description, which may be as large as a log entry, a message stays below the 4 MiB that a stream takes.
	partSize  = 1 << 20
	pieceSize = 256 << 10
	// nodeSize is what a node takes in a message, at most.
	nodeSize = 64
)

// piece is of one network as much as goes into a message together. It is made once and sent to many.
type piece struct {
	msg  *wire.FabricNetwork
	size int
}

// pieces cuts what is to be said of a network.
type pieces struct {
	id   []byte
	max  int
	list []piece
}

// next is the piece that something of a size goes into.
func (p *pieces) next(size int) *wire.FabricNetwork {
	if last := len(p.list) - 1; last >= 0 && p.list[last].size+size <= p.max {
		p.list[last].size += size
		return p.list[last].msg
	}
	p.list = append(p.list, piece{&wire.FabricNetwork{Id: p.id}, size + len(p.id) + 16})
	return p.list[len(p.list)-1].msg
}

func (p *pieces) describe(n *wire.Network) *wire.FabricNetwork {
	msg := p.next(proto.Size(n))
	msg.Network = n
	return msg
}

func (p *pieces) service(s *wire.FabricService) {
	msg := p.next(proto.Size(s) + 4)
	msg.Services = append(msg.Services, s)
}

func (p *pieces) endpoint(e *wire.Endpoint) {
	msg := p.next(proto.Size(e) + 4)
	msg.Endpoints = append(msg.Endpoints, e)
}

// all is a network as a node is told of it that did not have it. What is not there is gone.
func (o *overlay) all(max int) []piece {
	if o.whole != nil {
		return o.whole
	}
	p := pieces{id: wire.Bytes(o.id), max: max}
	p.describe(o.desc).Full = true
	for _, id := range inOrder(o.services) {
		p.service(o.services[id])
	}
	for _, id := range inOrder(o.endpoints) {
		p.endpoint(o.endpoints[id])
	}
	o.whole = p.list
	return p.list
}

// changes is what changed of a network since its nodes were told.
func (o *overlay) changes(max int) []piece {
	if o.delta != nil {
		return o.delta
	}
	p := pieces{id: wire.Bytes(o.id), max: max}
	if o.described {
		p.describe(o.desc)
	}
	for _, id := range inOrder(o.reServices) {
		if s := o.services[id]; s != nil {
			p.service(s)
			continue
		}
		msg := p.next(len(id) + 4)
		msg.GoneServices = append(msg.GoneServices, wire.Bytes(id))
	}
	for _, id := range inOrder(o.reEnds) {
		if e := o.endpoints[id]; e != nil {
			p.endpoint(e)
			continue
		}
		msg := p.next(len(id) + 4)
		msg.GoneEndpoints = append(msg.GoneEndpoints, wire.Bytes(id))
	}
	o.delta = p.list
	return p.list
}

// parcel packs a session's news into messages.
type parcel struct {
	max   int
	parts []*wire.Fabric
	size  int // of the last part
}

func (p *parcel) next(size int) *wire.Fabric {
	if len(p.parts) > 0 && p.size+size <= p.max {
		p.size += size
		return p.parts[len(p.parts)-1]
	}
	p.parts, p.size = append(p.parts, &wire.Fabric{}), size
	return p.parts[len(p.parts)-1]
}

func (p *parcel) node(id model.ID, n *wire.FabricNode) {
	msg := p.next(nodeSize)
	if n == nil {
		msg.GoneNodes = append(msg.GoneNodes, wire.Bytes(id))
		return
	}
	msg.Nodes = append(msg.Nodes, n)
}

func (p *parcel) network(list []piece) {
	for _, n := range list {
		msg := p.next(n.size)
		msg.Networks = append(msg.Networks, n.msg)
	}
}

func (p *parcel) gone(network model.ID) {
	msg := p.next(len(network) + 4)
	msg.GoneNetworks = append(msg.GoneNetworks, wire.Bytes(network))
}
