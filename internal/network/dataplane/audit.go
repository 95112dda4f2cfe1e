package dataplane

import (
	"context"
	"errors"
	"time"

	"github.com/skep-org/skep/internal/network"
	"github.com/skep-org/skep/internal/network/kernel"
)

// auditShare is how much more time there is between audits than they take: reading what a node with many containers holds
// is work for its kernel.
const auditShare = 20

// audit has the kernel compared with what is desired, beside the loop: nobody waits for the reading. The engine is asked
// too.
func (p *Plane) audit(ctx context.Context) {
	p.fallen()
	p.resettle()
	p.ring.asked = p.ring.asked && p.ring.refusal == ""
	poke(p.look)
	p.mu.Lock()
	want := p.last
	p.mu.Unlock()
	began := p.cfg.Env.Now()
	if want == nil {
		p.auditAt = began.Add(p.cfg.AuditEvery)
		return
	}
	p.auditing = true
	p.serving.Go(func() error {
		drifts, err := p.cfg.Kernel.Audit(ctx, want)
		_ = p.do(ctx, func(ctx context.Context) { p.audited(ctx, began, drifts, p.still(want, err)) })
		return nil
	})
}

// still makes of an audit's outcome that the networks were changed meanwhile, if they were given another plan between the
// moment its plan was taken and the reading: what differs is then what changed. It belongs to the loop.
func (p *Plane) still(want *network.Desired, err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil && p.last != want {
		return kernel.ErrChanging
	}
	return err
}

// audited has what differs repaired and counts it.
func (p *Plane) audited(ctx context.Context, began time.Time, drifts []network.Drift, err error) {
	now := p.cfg.Env.Now()
	p.auditing, p.auditAt = false, now.Add(max(p.cfg.AuditEvery, auditShare*now.Sub(began)))
	if errors.Is(err, kernel.ErrChanging) {
		p.auditAt = now.Add(p.cfg.AuditEvery)
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
	p.mu.Lock()
	fabric := p.fabric
	p.dirty = p.dirty || len(drifts) > 0
	p.mu.Unlock()
	if len(drifts) == 0 {
		p.listen(ctx, fabric)
	}
}

// resettle looks again at where the node's overlay packets leave it: a daemon may start before its host has an address,
// and an interface may be given another one, or another MTU. An interface that is away for a moment changes nothing.
func (p *Plane) resettle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.cfg.Settings(p.fabric.Nodes[p.cfg.Self].Underlay)
	if s == (network.Settings{}) {
		return
	}
	s.Encryption = p.settings.Encryption
	if s == p.settings {
		return
	}
	if p.settings.Underlay.IsValid() {
		p.cfg.Log.Info("the way to other nodes has changed", "address", s.Underlay, "mtu", s.MTU)
	}
	p.settings = s
	p.touch()
}

// way is what is known of the way to other nodes.
func (p *Plane) way() network.Settings {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.settings
}

// rehear ends the name servers of a namespace that is gone: their sockets are in one that nobody reaches.
func (p *Plane) rehear(d network.Drift) {
	if d.How != network.Missing || d.Kind != network.KindNamespace {
		return
	}
	for id := range p.servers {
		p.hush(id)
	}
}
