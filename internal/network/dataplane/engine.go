package dataplane

import (
	"context"
	"net/netip"
	"time"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network/plugin"
)

// Engine is what the plane asks the node's engine. It may take its time to answer: the plane's goroutine never waits.
type Engine interface {
	// Realms are the engine's networks that stand for the cluster's, with the places that containers have on them. More than
	// a place's id is told of those that want says so of.
	Realms(ctx context.Context, want func(endpoint string) bool) ([]Realm, error)
	// Watch calls changed when the engine is there, and whenever a container came to such a network or left one. It
	// returns when the engine is lost.
	Watch(ctx context.Context, changed func()) error
}

// Realm is an engine's network that stands for one of the cluster's.
type Realm struct {
	ID     string
	Of     model.ID
	Places []Place
}

// Place is what an engine knows of a container's place on a network.
type Place struct {
	Endpoint string
	Sandbox  string
	Addr     netip.Prefix
	Names    []string // the container's, and its aliases
	Options  map[string]string
	Outside  bool // the container has a way out beside the cluster's networks
}

const (
	engineRetry = 500 * time.Millisecond
	// lookPause lets changes that come together be looked at together.
	lookPause = time.Second
	// missingFor is how long the engine may not have a place that a container is in: it is just being taken away.
	missingFor = 2 * time.Second
	// unbornFor is how long it may not have one that nobody is in yet: the engine keeps it when it has made it.
	unbornFor = time.Minute
)

// watchEngine has the engine asked whenever something changed there.
func (p *Plane) watchEngine(ctx context.Context) error {
	for {
		err := p.cfg.Engine.Watch(ctx, func() { poke(p.look) })
		if ctx.Err() != nil {
			return ctx.Err()
		}
		p.cfg.Log.Debug("the engine's networks are not watched; it is tried again", "err", err)
		if err := p.cfg.Env.Pause(ctx, engineRetry); err != nil {
			return err
		}
	}
}

// lookAfterEngine compares what the engine has with what this node knows, whenever it is asked to.
func (p *Plane) lookAfterEngine(ctx context.Context) error {
	for {
		select {
		case <-p.look:
		case <-ctx.Done():
			return ctx.Err()
		}
		realms, err := p.cfg.Engine.Realms(ctx, p.curious)
		if err == nil {
			err = p.do(ctx, func(ctx context.Context) { p.reconcile(ctx, realms) })
		}
		if err != nil && ctx.Err() == nil {
			p.cfg.Log.Debug("the engine does not tell its networks", "err", err)
		}
		if err := p.cfg.Env.Pause(ctx, lookPause); err != nil {
			return err
		}
	}
}

// curious says of which places the engine is to tell all: of unknown ones, and of guests whose names may change.
func (p *Plane) curious(endpoint string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	one := p.places[endpoint]
	return one == nil || one.Guest
}

// reconcile takes what the engine has for the truth: what it did not say is made up for, what it forgot to take back is
// taken away, once it was missing for a while.
func (p *Plane) reconcile(ctx context.Context, realms []Realm) {
	known, seen := map[string]model.ID{}, map[string]bool{}
	changed := false
	for _, r := range realms {
		known[r.ID] = r.Of
		for _, found := range r.Places {
			seen[found.Endpoint] = true
			changed = p.recognise(r, found) || changed
		}
	}
	p.mu.Lock()
	changed = changed || !p.looked
	p.looked = true
	p.mu.Unlock()
	p.learn(known)
	for _, id := range p.lost(seen) {
		p.cfg.Log.Info("the engine took a container off a network without a word", "endpoint", id)
		p.count.repaired("engine")
		p.drop(ctx, id)
	}
	if changed {
		p.sayGuests()
	}
}

// recognise takes over what the engine tells of a place, and reports whether a guest's is another than before.
func (p *Plane) recognise(r Realm, found Place) (guest bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	one := p.places[found.Endpoint]
	if one != nil {
		one.missing = time.Time{}
		if !one.Guest || len(found.Names) == 0 {
			return false
		}
		same := equal(one.Names, found.Names) && one.Outside == found.Outside
		one.Names, one.Outside = found.Names, found.Outside
		if !same {
			p.touch()
			p.note(p.keepPlaces())
		}
		return !same
	}
	if found.Sandbox == "" || !found.Addr.IsValid() {
		return false // it is just being made: the plugin will be told
	}
	one, err := newPlace(plugin.NewEndpoint{Network: r.ID, ID: found.Endpoint, Options: found.Options}, r.Of)
	if err != nil {
		p.note(err)
		return false
	}
	one.Addr, one.Sandbox, one.Names, one.Outside = found.Addr, found.Sandbox, found.Names, found.Outside
	p.places[one.ID] = one
	p.count.repaired("engine")
	p.touch()
	p.note(p.keepPlaces())
	return one.Guest
}

// learn takes over which networks the engine has. One that is not among them may just be being made, so it stays.
func (p *Plane) learn(known map[string]model.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	changed := false
	for id, of := range known {
		changed = changed || p.realms[id] != of
		p.realms[id] = of
	}
	if !changed {
		return
	}
	p.tell()
	p.note(p.keepRealms())
}

// lost are the places that the engine has not had for a while. When there may soon be some it is asked again.
func (p *Plane) lost(seen map[string]bool) (ids []string) {
	now := p.cfg.Env.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, one := range p.places {
		patience := missingFor
		if one.Sandbox == "" {
			patience = unbornFor
		}
		switch {
		case seen[id]:
		case one.missing.IsZero():
			one.missing = now
			poke(p.look)
		case now.Sub(one.missing) >= patience:
			ids = append(ids, id)
		case one.Sandbox != "":
			poke(p.look)
		}
	}
	return ids
}

func (p *Plane) note(err error) {
	if err != nil {
		p.cfg.Log.Warn("what the engine has is not written down", "err", err)
	}
}

func equal(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
