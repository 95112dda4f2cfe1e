package network

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"strconv"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/wire"
)

// OptionMTU is the driver option that sets a network's MTU.
const OptionMTU = "com.docker.network.driver.mtu"

// OptionEncrypted is the driver option that has a network's packets between nodes encrypted, whatever its value.
const OptionEncrypted = "encrypted"

// errOlder is for a message of a state that this node has left behind.
var errOlder = errors.New("it is of an older state than the one before")

// NewFabric is the fabric of a node that nobody told anything yet.
func NewFabric() *Fabric { return &Fabric{Port: DefaultPort} }

// Apply returns the fabric after a message; f stays as it is. An error leaves nothing half applied: the session that
// brought the message is to be given up, the next one brings everything anew.
func (f *Fabric) Apply(m *wire.Fabric) (*Fabric, error) {
	if cmp.Or(cmp.Compare(m.Epoch, f.Epoch), cmp.Compare(m.Version, f.Version)) < 0 {
		return nil, fmt.Errorf("the managers' word on the networks: %w", errOlder)
	}
	next := &Fabric{Epoch: m.Epoch, Version: m.Version, Port: cmp.Or(uint16(m.DataPort), DefaultPort)}
	if m.Full {
		next.Nodes, next.Networks = map[model.ID]Node{}, map[model.ID]*Network{}
	} else {
		next.Nodes, next.Networks = maps.Clone(f.Nodes), maps.Clone(f.Networks)
	}
	if next.Nodes == nil {
		next.Nodes, next.Networks = map[model.ID]Node{}, map[model.ID]*Network{}
	}
	r := reader{}
	for _, n := range m.Nodes {
		id := r.id(n.Id)
		next.Nodes[id] = Node{
			ID: id, Underlay: r.addr(n.Underlay), Ingress: r.prefix(n.Ingress), Down: n.Down, Keys: r.keys(n.Keys), Sends: n.Sends,
		}
	}
	for _, raw := range m.GoneNodes {
		delete(next.Nodes, r.id(raw))
	}
	for _, n := range m.Networks {
		id := r.id(n.Id)
		old := f.Networks[id]
		if n.Full {
			old = nil
		}
		next.Networks[id] = r.network(id, old, n)
	}
	for _, raw := range m.GoneNetworks {
		delete(next.Networks, r.id(raw))
	}
	if r.err != nil {
		return nil, fmt.Errorf("the managers' word on the networks: %w", r.err)
	}
	return next, nil
}

// reader reads fields and keeps the first error.
type reader struct{ err error }

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *reader) id(b []byte) model.ID {
	id, err := wire.ID(b)
	if err != nil {
		r.fail(err)
	}
	return id
}

func (r *reader) optional(b []byte) model.ID {
	if len(b) == 0 {
		return model.ID{}
	}
	return r.id(b)
}

func (r *reader) addr(b []byte) (a netip.Addr) {
	if err := a.UnmarshalBinary(b); err != nil {
		r.fail(err)
	}
	return a
}

func (r *reader) prefix(b []byte) (p netip.Prefix) {
	if len(b) == 0 {
		return p
	}
	if err := p.UnmarshalBinary(b); err != nil {
		r.fail(err)
	}
	return p
}

// network is a network after a message; old is nil for one that starts from nothing.
func (r *reader) network(id model.ID, old *Network, m *wire.FabricNetwork) *Network {
	next := &Network{ID: id, Services: map[model.ID]*Service{}, Endpoints: map[model.ID]*Endpoint{}}
	if old != nil {
		*next = *old
		if len(m.Services)+len(m.GoneServices) > 0 {
			next.Services = maps.Clone(old.Services)
		}
		if len(m.Endpoints)+len(m.GoneEndpoints) > 0 {
			next.Endpoints = maps.Clone(old.Endpoints)
		}
	}
	if m.Network != nil {
		r.describe(next, m.Network)
	} else if old == nil {
		r.fail(fmt.Errorf("network %s comes without its description", id))
	}
	for _, s := range m.Services {
		svc := r.service(s)
		next.Services[svc.ID] = svc
	}
	for _, raw := range m.GoneServices {
		delete(next.Services, r.id(raw))
	}
	for _, e := range m.Endpoints {
		ep := &Endpoint{
			ID: r.id(e.Id), Service: r.optional(e.ServiceId), Node: r.id(e.NodeId), Addr: r.addr(e.Addr),
			Serving: e.Serving, Names: e.Names,
		}
		next.Endpoints[ep.ID] = ep
	}
	for _, raw := range m.GoneEndpoints {
		delete(next.Endpoints, r.id(raw))
	}
	return next
}

func (r *reader) describe(n *Network, m *wire.Network) {
	doc, err := model.NewDoc[swarm.NetworkSpec](m.Spec)
	if err != nil {
		r.fail(fmt.Errorf("network %s: %w", m.Name, err))
		return
	}
	spec := doc.Get()
	n.Name, n.VNI, n.Subnet = m.Name, m.Vni, r.prefix(m.Subnet)
	if len(m.Gateway) > 0 {
		n.Gateway = r.addr(m.Gateway)
	}
	n.Ingress, n.Internal, n.Attachable, n.MTU = spec.Ingress, spec.Internal, spec.Attachable, 0
	n.Encrypted = Encrypts(spec)
	if d := spec.DriverConfiguration; d != nil && d.Options[OptionMTU] != "" {
		if n.MTU, err = strconv.Atoi(d.Options[OptionMTU]); err != nil {
			r.fail(fmt.Errorf("network %s: its MTU: %w", m.Name, err))
		}
	}
}

// Encrypts says whether a network's packets between nodes are to be encrypted.
func Encrypts(spec *swarm.NetworkSpec) bool {
	if spec.DriverConfiguration == nil {
		return false
	}
	_, encrypted := spec.DriverConfiguration.Options[OptionEncrypted]
	return encrypted
}

// keys are a node's, in order. A third one is more than a node has.
func (r *reader) keys(list []*wire.NodeKey) (keys Keys) {
	if len(list) > len(keys) {
		r.fail(fmt.Errorf("a node has %d keys, and may have %d", len(list), len(keys)))
		return keys
	}
	for i, k := range list {
		if len(k.Key) != len(Key{}) || k.Generation == 0 {
			r.fail(errors.New("a node's key is none"))
			return keys
		}
		keys[i] = NodeKey{Generation: k.Generation, Key: Key(k.Key), Port: uint16(k.Port)}
	}
	return keys
}

func (r *reader) service(m *wire.FabricService) *Service {
	s := &Service{ID: r.id(m.Id), Name: m.Name, Aliases: m.Aliases}
	if len(m.Vip) > 0 {
		s.VIP = r.addr(m.Vip)
	}
	for _, p := range m.Ports {
		s.Ports = append(s.Ports, Port{Protocol: p.Protocol, Published: uint16(p.Published), Target: uint16(p.Target)})
	}
	return s
}
