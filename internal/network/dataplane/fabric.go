package dataplane

import (
	"context"
	"time"

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
		p.fabric, p.heard, p.known = next, ack{m.Nonce, m.Seq}, true
		p.touch()
		poke(p.save)
	}
}

// saveLoop keeps what the managers said, a while after it changed.
func (p *Plane) saveLoop(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.save:
		}
		p.mu.Lock()
		f := p.fabric
		p.mu.Unlock()
		p.keepFabric(f)
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
