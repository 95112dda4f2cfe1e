package dataplane

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"time"

	"github.com/skep-org/skep/internal/network"
	"github.com/skep-org/skep/internal/network/dns"
	"github.com/skep-org/skep/internal/network/kernel"
)

const (
	retryFirst = 50 * time.Millisecond
	retryMost  = 5 * time.Second
	// lasting is after how many failures in a row, some three seconds, one is more than a warning: what the kernel is still
	// taking down is in the way for a moment.
	lasting = 6
)

// settle has kernel and names be as everything known says, and acknowledges it.
func (p *Plane) settle(ctx context.Context) {
	p.mu.Lock()
	p.dirty = false
	fabric, list, heard := p.fabric, boxes(p.places), p.heard
	p.mu.Unlock()
	began := p.cfg.Env.Now()
	p.planned = network.Replan(p.planned, fabric, p.cfg.Self, list, p.settings)
	err := p.cfg.Kernel.Sync(ctx, p.planned)
	if errors.Is(err, kernel.ErrNotYet) {
		err = nil // a container is just being started: its namespace is watched for
	}
	whole := err
	if _, apart := errors.AsType[*kernel.BoxError](err); apart {
		err = nil // those containers are not ready, and audits find them until they are; nobody else waits for them
	}
	// Names follow in any case: what must not be told any more is worse than what cannot be reached yet.
	p.setNames(fabric, list, p.cfg.Kernel.Programmed)
	p.listen(ctx, fabric)
	p.count.synced(p.cfg.Env.Now().Sub(began), whole)
	if err != nil {
		p.failed(ctx, err)
		return
	}
	p.failures, p.retryAt = 0, time.Time{}
	p.settled(fabric, list)
	if heard != (ack{}) {
		p.cfg.Applied(heard.nonce, heard.seq)
	}
}

// failed has settle tried again, less and less often.
func (p *Plane) failed(ctx context.Context, err error) {
	wait := min(retryFirst<<min(p.failures, 10), retryMost)
	p.failures++
	p.retryAt = p.cfg.Env.Now().Add(wait)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dirty = true
	if news := p.broken == nil || p.broken.Error() != err.Error(); ctx.Err() == nil && (news || p.failures == lasting) {
		level := slog.LevelWarn
		if p.failures >= lasting {
			level = slog.LevelError
		}
		p.cfg.Log.Log(ctx, level, "this node's networks are not as they should be; it is tried again", "err", err)
	}
	p.broken = err
}

// settled notes which places work now.
func (p *Plane) settled(f *network.Fabric, list []network.Sandbox) {
	there := make(map[string]bool, len(list))
	for _, b := range list {
		there[b.Key] = p.cfg.Kernel.Programmed(b.Key)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.broken != nil {
		p.cfg.Log.Info("this node's networks are as they should be again")
	}
	p.last, p.broken = p.planned, nil
	p.works = map[string]bool{}
	for id, one := range p.places {
		if there[one.Sandbox] && f.Networks[one.Network] != nil {
			p.works[id] = true
		}
	}
	p.count.endpoints(len(p.places))
	p.tell()
}

// setNames has the name server answer as of a fabric. Containers that are not ready have to wait for their answers.
func (p *Plane) setNames(f *network.Fabric, list []network.Sandbox, ready func(box string) bool) {
	p.mu.Lock()
	byOwner := map[string]*place{}
	outside := map[string]bool{}
	for _, one := range p.places {
		if one.Sandbox == "" {
			continue
		}
		if byOwner[one.Sandbox] == nil || len(one.DNS) > 0 {
			byOwner[one.Sandbox] = one
		}
		outside[one.Sandbox] = outside[one.Sandbox] || one.Outside
	}
	p.mu.Unlock()
	askers := make([]dns.Asker, 0, len(list))
	for _, b := range list {
		a := dns.Asker{Sandbox: b, Ready: ready(b.Key), Outside: outside[b.Key]}
		if one := byOwner[b.Key]; one != nil {
			for _, addr := range one.DNS {
				a.Upstreams = append(a.Upstreams, netip.AddrPortFrom(addr, 53))
			}
		}
		askers = append(askers, a)
	}
	p.zones = dns.MakeZones(p.zones, f, askers)
	p.cfg.Names.Set(p.zones)
}
