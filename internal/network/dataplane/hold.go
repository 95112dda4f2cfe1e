package dataplane

import (
	"context"
	"time"
)

// holdMost is how long a plane that has just begun waits for the managers' word before it goes by what was kept of it.
const holdMost = 3 * time.Second

// hold leaves the kernel as an earlier plane of this node has left it, for a moment: what that one kept of the managers'
// word may be older than what it did, and a task that has stopped since would be balanced to again. Names are told at
// once, for nobody else tells them.
func (p *Plane) hold(ctx context.Context) {
	p.mu.Lock()
	fabric, list, holds := p.fabric, boxes(p.places), p.known && p.inherits
	p.mu.Unlock()
	if !holds {
		return
	}
	p.holdTo = p.cfg.Env.Now().Add(holdMost)
	p.setNames(fabric, list, func(string) bool { return true }) // their interfaces are as the kernel has kept them
	p.listen(ctx, fabric)
}

// holds reports whether the kernel is left alone still: until the managers or the engine say something, but not for long.
func (p *Plane) holds() bool { return p.cfg.Env.Now().Before(p.holdTo) }
