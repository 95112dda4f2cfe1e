package dataplane

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/skep-org/skep/internal/network"
	"github.com/skep-org/skep/internal/wire"
)

// admit reports a guest to the managers and waits for its address.
func (p *Plane) admit(ctx context.Context, one *place) error {
	if err := p.put(one); err != nil {
		return err
	}
	p.mu.Lock()
	p.looked = true // an engine that is just starting may start containers before it answers
	p.mu.Unlock()
	p.sayGuests()
	err := p.until(ctx, func() (bool, error) {
		if p.places[one.ID] == nil {
			return false, errors.New("the engine took the place on the network back")
		}
		n := p.fabric.Networks[one.Network]
		if n == nil || n.Endpoints[one.Owner] == nil || !n.Endpoints[one.Owner].Addr.IsValid() {
			return false, nil
		}
		one.Addr = netip.PrefixFrom(n.Endpoints[one.Owner].Addr, n.Subnet.Bits())
		p.touch()
		return true, p.keepPlaces()
	})
	if err == nil {
		return nil
	}
	p.mu.Lock()
	delete(p.places, one.ID)
	kept := p.keepPlaces()
	p.mu.Unlock()
	p.sayGuests()
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("the managers gave the container no address on network %s within %v: is one of them reachable, is the network attachable, has it an address left? docker network inspect tells", one.Network, patience)
	}
	return errors.Join(err, kept)
}

// GuestList are the containers on this node's networks that no task runs; nil: the engine has not told yet.
func (p *Plane) GuestList() *wire.Guests {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.looked {
		return nil
	}
	m := &wire.Guests{Full: true}
	for _, id := range slices.Sorted(maps.Keys(p.places)) {
		one := p.places[id]
		if !one.Guest {
			continue
		}
		g := &wire.Guest{Id: wire.Bytes(one.Owner), NetworkId: wire.Bytes(one.Network), Names: one.Names}
		if addr := one.wish(); addr.IsValid() {
			g.Addr, _ = addr.MarshalBinary() // never fails
		}
		m.Guests = append(m.Guests, g)
	}
	return m
}

// wish is the address a guest is to have: the one it has, else the one its user asked for.
func (p *place) wish() netip.Addr {
	if p.Addr.IsValid() {
		return p.Addr.Addr()
	}
	return p.Asked
}

func (p *Plane) sayGuests() {
	if list := p.GuestList(); list != nil {
		p.cfg.Guests(list)
	}
}

// Ports of one task, as the data plane publishes them.
func portsOf(places map[string]*place, of func(*place) bool) (ports []network.Port) {
	for _, id := range slices.Sorted(maps.Keys(places)) {
		if of(places[id]) {
			ports = append(ports, places[id].Ports...)
		}
	}
	return ports
}
