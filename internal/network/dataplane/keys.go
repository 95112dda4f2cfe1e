package dataplane

import (
	"context"
	"maps"
	"time"

	"github.com/skep-org/skep/internal/network"
	"github.com/skep-org/skep/internal/wire"
	"google.golang.org/protobuf/proto"
)

// ring is what the plane keeps of keys for encrypted networks.
type ring struct {
	network.Ring
	means, refusal string
	asked          bool // whether this machine can carry encrypted networks
	live           map[network.Key]struct{}
	lookAt         time.Time // when it is looked again which keys work; zero: there is nothing to see
	since          time.Time // since when somebody's key is waited for
	idle           time.Time // since when there has been no encrypted network; zero: there is one
	stuck          string    // what was last logged of a change of keys that does not come to its end
}

const (
	// lookOften is for a while after something changed: a key that is waited for works within a few milliseconds.
	lookOften  = 100 * time.Millisecond
	lookSeldom = 5 * time.Second
	oftenFor   = 15 * time.Second
	// idleFor is how long keys are kept where no encrypted network is: the next one may come at once.
	idleFor = time.Minute
)

// inheritKeys takes over the keys that an earlier plane of this node has left in use, and which of others' work.
func (p *Plane) inheritKeys() {
	keys, err := p.cfg.Kernel.Keys()
	if err == nil && keys.Newest() != 0 {
		p.ring.Keys, p.ring.Made = keys, p.cfg.Env.Now()
		p.ring.live, err = p.cfg.Kernel.Live()
		p.useKeys()
	}
	if err != nil {
		p.cfg.Log.Warn("the keys in use for encrypted networks cannot be read; this node makes others", "err", err)
	}
}

// useKeys has the next plan made with the keys there are.
func (p *Plane) useKeys() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.settings.Encryption = &network.Encryption{Keys: p.ring.Keys, Live: p.ring.live}
	p.touch()
}

// tendKeys makes a key when one is due, loses one that nobody uses, and looks which ones of others work.
func (p *Plane) tendKeys() {
	p.mu.Lock()
	fabric := p.fabric
	p.mu.Unlock()
	now := p.cfg.Env.Now()
	p.askMeans()
	if !p.encrypts(fabric, now) || p.holds() {
		return
	}
	if generation := p.ring.Due(now, fabric, p.cfg.Self, p.cfg.Rotation); generation != 0 {
		key, err := p.cfg.Kernel.NewKey(generation)
		if err != nil {
			p.cfg.Log.Error("this node has no key for encrypted networks", "err", err)
			p.ring.lookAt = now.Add(lookSeldom)
			return
		}
		p.replaceRing(p.ring.With(now, key))
		p.ring.since = now
		p.useKeys()
	}
	if p.ring.Spent(fabric, p.cfg.Self, p.InForce()) {
		p.replaceRing(p.ring.Without())
		p.useKeys()
	}
	p.sayStuck(now, fabric)
	p.lookAtKeys(now)
}

// replaceRing has keys that are in use no more forgotten.
func (p *Plane) replaceRing(next network.Ring) {
	for _, old := range p.ring.Keys {
		if old.Generation != 0 && old != next.Keys[0] && old != next.Keys[1] {
			p.cfg.Kernel.Forget(old.Key)
		}
	}
	p.ring.Ring = next
}

// askMeans finds out by what this machine carries encrypted networks. One that cannot is asked again by each audit.
func (p *Plane) askMeans() {
	if p.ring.asked {
		return
	}
	p.ring.asked = true
	means, err := p.cfg.Kernel.Means()
	if p.ring.means, p.ring.refusal = means, ""; err != nil {
		p.ring.refusal = err.Error()
	}
}

// encrypts says whether keys are wanted. Those of a node that has had no encrypted network for a while go.
func (p *Plane) encrypts(f *network.Fabric, now time.Time) bool {
	wanted := false
	for _, n := range f.Networks {
		wanted = wanted || n.Encrypted
	}
	switch {
	case p.ring.means == "":
		return false
	case wanted:
		p.ring.idle = time.Time{}
	case p.ring.Keys.Newest() == 0:
	case p.ring.idle.IsZero():
		p.ring.idle, p.ring.lookAt = now, now.Add(idleFor)
	case now.Sub(p.ring.idle) >= idleFor:
		p.replaceRing(network.Ring{})
		p.ring.live, p.ring.lookAt = nil, time.Time{}
		p.useKeys()
	}
	return wanted
}

// InForce is what the kernel was last made to hold of the encryption; nil: nothing.
func (p *Plane) InForce() *network.Encrypted {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last == nil {
		return nil
	}
	return p.last.Encryption
}

// lookAtKeys looks which keys of others work: often while one is waited for, which may be for as long as its node is down.
func (p *Plane) lookAtKeys(now time.Time) {
	if now.Before(p.ring.lookAt) {
		return
	}
	live, err := p.cfg.Kernel.Live()
	if err == nil && !maps.Equal(live, p.ring.live) {
		p.ring.live, p.ring.since = live, now
		p.useKeys()
	}
	wait := lookSeldom
	if now.Sub(p.ring.since) < oftenFor {
		wait = lookOften
	}
	p.ring.lookAt = now.Add(wait)
}

// sayKeys tells the managers how this node carries encrypted networks. A key is said when packets by it are taken.
func (p *Plane) sayKeys() {
	if !p.ring.asked || p.isDirty() || p.holds() {
		return
	}
	m := &wire.Encryption{Means: p.ring.means, Refusal: p.ring.refusal}
	inForce := p.InForce()
	for _, k := range p.ring.Keys {
		if k.Generation != 0 && (inForce == nil || inForce.Has(k.Key)) {
			m.Keys = append(m.Keys, &wire.NodeKey{Generation: k.Generation, Key: k.Key[:], Port: uint32(k.Port)})
		}
	}
	m.Sends = inForce.Sends()
	p.mu.Lock()
	same := p.cipher != nil && proto.Equal(m, p.cipher)
	p.cipher = m
	p.mu.Unlock()
	if !same {
		p.ring.since, p.ring.lookAt = p.cfg.Env.Now(), time.Time{}
		poke(p.wake)
		p.cfg.Encryption(m)
	}
}

// Encryption is what was last said of how this node carries encrypted networks; nil: nothing yet.
func (p *Plane) Encryption() *wire.Encryption {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cipher
}

// watchKernel has the loop look after what the kernel has lost.
func (p *Plane) watchKernel(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.cfg.Kernel.Lost():
			_ = p.do(ctx, func(context.Context) {
				p.ring.since, p.ring.lookAt = p.cfg.Env.Now(), time.Time{}
				p.mu.Lock()
				defer p.mu.Unlock()
				p.touch()
			})
		}
	}
}
