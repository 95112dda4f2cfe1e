package dataplane

import (
	"context"
	"time"

	"github.com/skep-org/skep/internal/network"
	"github.com/skep-org/skep/internal/wire"
)

// saveEvery bounds how often the managers' word is written to disk.
const saveEvery = time.Second

// Fabric takes a message of the managers; it returns at once.
func (p *Plane) Fabric(m *wire.Fabric) {
	p.mu.Lock()
	p.said = append(p.said, m)
	p.mu.Unlock()
	poke(p.wake)
}

// hear applies the messages that came: what they change together is done once.
func (p *Plane) hear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	said := p.said
	p.said = nil
	for _, m := range said {
		if m.Nonce == p.refused && p.refused != 0 {
			continue
		}
		next, err := p.fabric.Apply(m)
		if err != nil {
			// Nothing more of this session makes sense; the next one begins with all of it.
			p.refused = m.Nonce
			p.cfg.Log.Error("a message about the networks is of no use: this node goes on with what it knows until a manager begins anew", "err", err)
			p.cfg.Refused(m.Nonce)
			continue
		}
		p.ring.Left = p.ring.Left || network.Leavers(p.fabric, next)
		p.fabric, p.heard, p.known, p.holdTo = next, ack{m.Nonce, m.Seq}, true, time.Time{}
		p.touch()
		poke(p.save)
	}
}

// saveLoop keeps what the managers said, a while after it changed, and at the end.
func (p *Plane) saveLoop(ctx context.Context) error {
	p.mu.Lock()
	kept := p.fabric
	p.mu.Unlock()
	keep := func() {
		p.mu.Lock()
		f := p.fabric
		p.mu.Unlock()
		if f != kept {
			p.keepFabric(f)
			kept = f
		}
	}
	defer keep()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.save:
		}
		keep()
		timer, stop := p.cfg.Env.NewTimer(saveEvery)
		select {
		case <-ctx.Done():
			stop()
			return ctx.Err()
		case <-timer:
		}
		stop()
	}
}
