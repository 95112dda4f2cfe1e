package network

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/wire"
)

// Message is the full message that [Fabric.Apply] makes the same fabric of, for whoever keeps it.
func (f *Fabric) Message() *wire.Fabric {
	m := &wire.Fabric{Full: true, Epoch: f.Epoch, Version: f.Version, DataPort: uint32(f.Port)}
	for _, id := range sortedIDs(f.Nodes) {
		n := f.Nodes[id]
		m.Nodes = append(m.Nodes, &wire.FabricNode{
			Id: wire.Bytes(id), Underlay: addrBytes(n.Underlay), Ingress: prefixBytes(n.Ingress), Down: n.Down,
			Keys: n.Keys.message(), Sends: n.Sends,
		})
	}
	for _, id := range sortedIDs(f.Networks) {
		m.Networks = append(m.Networks, f.Networks[id].message())
	}
	return m
}

func (k Keys) message() (list []*wire.NodeKey) {
	for _, one := range k {
		if one.Generation != 0 {
			list = append(list, &wire.NodeKey{Generation: one.Generation, Key: one.Key[:], Port: uint32(one.Port)})
		}
	}
	return list
}

func (n *Network) message() *wire.FabricNetwork {
	spec := swarm.NetworkSpec{Ingress: n.Ingress, Internal: n.Internal, Attachable: n.Attachable}
	options := map[string]string{}
	if n.MTU != 0 {
		options[OptionMTU] = strconv.Itoa(n.MTU)
	}
	if n.Encrypted {
		options[OptionEncrypted] = ""
	}
	if len(options) > 0 {
		spec.DriverConfiguration = &swarm.Driver{Options: options}
	}
	m := &wire.FabricNetwork{Id: wire.Bytes(n.ID), Full: true, Network: &wire.Network{
		Id: wire.Bytes(n.ID), Name: n.Name, Vni: n.VNI, Subnet: prefixBytes(n.Subnet), Gateway: addrBytes(n.Gateway),
		Spec: model.DocOf(spec).Raw(),
	}}
	for _, id := range sortedIDs(n.Services) {
		s := n.Services[id]
		one := &wire.FabricService{Id: wire.Bytes(id), Name: s.Name, Vip: addrBytes(s.VIP), Aliases: s.Aliases}
		for _, p := range s.Ports {
			one.Ports = append(one.Ports, &wire.Port{Protocol: p.Protocol, Published: uint32(p.Published), Target: uint32(p.Target)})
		}
		m.Services = append(m.Services, one)
	}
	for _, id := range sortedIDs(n.Endpoints) {
		e := n.Endpoints[id]
		one := &wire.Endpoint{
			Id: wire.Bytes(id), NodeId: wire.Bytes(e.Node), Addr: addrBytes(e.Addr), Serving: e.Serving, Names: e.Names,
		}
		if !e.Service.IsZero() {
			one.ServiceId = wire.Bytes(e.Service)
		}
		m.Endpoints = append(m.Endpoints, one)
	}
	return m
}

func sortedIDs[T any](m map[model.ID]T) []model.ID {
	return slices.SortedFunc(maps.Keys(m), model.ID.Compare)
}

func addrBytes(a netip.Addr) []byte {
	b, _ := a.MarshalBinary() // never fails
	return b
}

func prefixBytes(p netip.Prefix) []byte {
	if !p.IsValid() {
		return nil
	}
	b, _ := p.MarshalBinary() // never fails
	return b
}
