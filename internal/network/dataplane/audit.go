package dataplane

import (
	"context"

	"github.com/skep-org/skep/internal/network"
)

// audit compares the kernel with what is desired, has what differs repaired and counts it. The engine is asked too.
func (p *Plane) audit(ctx context.Context) {
	p.fallen()
	poke(p.look)
	p.mu.Lock()
	want, fabric := p.last, p.fabric
	p.mu.Unlock()
	if want == nil {
		return
	}
	drifts, err := p.cfg.Kernel.Audit(ctx, want)
	if ctx.Err() != nil {
		return
	}
	p.count.audited(drifts, err)
	if err != nil {
		p.cfg.Log.Warn("the kernel does not tell what it holds of the networks", "err", err)
		return
	}
	for _, d := range drifts {
		p.cfg.Log.Info("repairing this node's networks", "where", d.Where, "what", d.What, "how", d.How)
		p.rehear(d)
	}
	if len(drifts) > 0 {
		p.mu.Lock()
		p.dirty = true
		p.mu.Unlock()
		return
	}
	p.listen(ctx, fabric)
}

// rehear ends the name servers of a namespace that is gone: their sockets are in one that nobody reaches.
func (p *Plane) rehear(d network.Drift) {
	if d.How != network.Missing || d.What != string(network.KindNamespace) {
		return
	}
	for id := range p.servers {
		p.hush(id)
	}
}
