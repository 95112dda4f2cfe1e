package dataplane

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network"
	"github.com/skep-org/skep/internal/network/plugin"
)

// CreateNetwork implements [plugin.Driver].
func (p *Plane) CreateNetwork(_ context.Context, id string, options map[string]string) error {
	of, err := model.ParseID(options[network.OptionNetwork])
	if err != nil || of.IsZero() {
		return errors.New("the driver " + plugin.Name + " is for the cluster's networks, which skep brings to this engine by itself: make one with docker network create -d overlay")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.realms[id] = of
	p.tell()
	return p.keepRealms()
}

// DeleteNetwork implements [plugin.Driver].
func (p *Plane) DeleteNetwork(_ context.Context, id string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.realms, id)
	return p.keepRealms()
}

// CreateEndpoint implements [plugin.Driver]. A task's place comes with its address; a guest's waits for the managers.
func (p *Plane) CreateEndpoint(ctx context.Context, e plugin.NewEndpoint) (plugin.Interface, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	of, err := p.realm(ctx, e.Network)
	if err != nil {
		return plugin.Interface{}, err
	}
	one, err := newPlace(e, of)
	if err != nil {
		return plugin.Interface{}, err
	}
	if err := p.publish(one); err != nil {
		return plugin.Interface{}, err
	}
	if one.Guest {
		err = p.admit(ctx, one)
	} else {
		err = p.put(one)
	}
	if err != nil {
		return plugin.Interface{}, err
	}
	return plugin.Interface{Addr: one.Addr, MAC: network.MAC(one.Addr.Addr()).String()}, nil
}

// realm is the cluster's network that an engine's stands for. One nobody knows of, as when this daemon was away when it
// was made, is looked for on the engine.
func (p *Plane) realm(ctx context.Context, id string) (of model.ID, err error) {
	asked := false
	err = p.until(ctx, func() (bool, error) {
		var ok bool
		if of, ok = p.realms[id]; !ok && !asked {
			asked = true
			poke(p.look)
		}
		return ok, nil
	})
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("the engine's network %s stands for none of the cluster's: remove it with docker network rm, skep makes it anew", id)
	}
	return of, err
}

// put notes a place. The engine may say it a second time.
func (p *Plane) put(one *place) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if old := p.places[one.ID]; old != nil {
		one.Sandbox = old.Sandbox
	}
	p.places[one.ID] = one
	p.tell()
	return p.keepPlaces()
}

// DeleteEndpoint implements [plugin.Driver].
func (p *Plane) DeleteEndpoint(ctx context.Context, _, endpoint string) error {
	return p.do(ctx, func(ctx context.Context) { p.drop(ctx, endpoint) })
}

// Join implements [plugin.Driver]. The managers may be about to tell this node of the network.
func (p *Plane) Join(ctx context.Context, _, endpoint, sandbox string) (plugin.Joined, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	one, n, self, err := p.told(ctx, endpoint)
	if err != nil {
		return plugin.Joined{}, err
	}
	j := plugin.Joined{NoGateway: n.Internal}
	if n.Ingress {
		j.Gateway = self.Ingress.Addr()
	}
	failed := p.do(ctx, func(ctx context.Context) {
		p.holdTo = time.Time{} // what it needs is to be made
		if j.Link, err = p.cfg.Kernel.Attach(ctx, n, one.link(), network.MTU(n, p.way())); err != nil {
			return
		}
		err = p.enter(endpoint, sandbox)
	})
	return j, errors.Join(failed, err)
}

// told waits until the managers have told this node of a place's network, and of its own address on the ingress network.
func (p *Plane) told(ctx context.Context, endpoint string) (one place, n *network.Network, self network.Node, err error) {
	err = p.until(ctx, func() (bool, error) {
		at := p.places[endpoint]
		if at == nil {
			return false, errors.New("the engine joins a container to a network where it has no place: start the container again")
		}
		one, n, self = *at, p.fabric.Networks[at.Network], p.fabric.Nodes[p.cfg.Self]
		return n != nil && (!n.Ingress || self.Ingress.IsValid()), nil
	})
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("the managers did not tell this node of network %s within %v: is one of them reachable?", one.Network, patience)
	}
	return one, n, self, err
}

// enter notes that a place is in a sandbox.
func (p *Plane) enter(endpoint, sandbox string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	one := p.places[endpoint]
	if one == nil {
		return errors.New("the engine took the place on the network back")
	}
	one.Sandbox = sandbox
	p.touch()
	return p.keepPlaces()
}

// Leave implements [plugin.Driver].
func (p *Plane) Leave(ctx context.Context, _, endpoint string) error {
	return p.do(ctx, func(ctx context.Context) { p.leave(ctx, endpoint) })
}

// leave ends a place's link. That may have gone with its container.
func (p *Plane) leave(ctx context.Context, endpoint string) {
	p.mu.Lock()
	one := p.places[endpoint]
	if one == nil || one.Sandbox == "" {
		p.mu.Unlock()
		return
	}
	link := one.link()
	one.Sandbox = ""
	delete(p.works, endpoint)
	err := p.keepPlaces()
	p.touch()
	p.mu.Unlock()
	if err = errors.Join(err, p.cfg.Kernel.Detach(ctx, link)); err != nil {
		p.cfg.Log.Warn("a container's link is removed later", "link", link.Name(), "err", err)
	}
}

// drop ends a place.
func (p *Plane) drop(ctx context.Context, endpoint string) {
	p.leave(ctx, endpoint)
	p.mu.Lock()
	one := p.places[endpoint]
	if one == nil {
		p.mu.Unlock()
		return
	}
	delete(p.places, endpoint)
	err := p.keepPlaces()
	p.touch()
	p.mu.Unlock()
	if err != nil {
		p.cfg.Log.Warn("a container's end is not written down", "err", err)
	}
	if one.Guest {
		p.sayGuests()
	}
}
