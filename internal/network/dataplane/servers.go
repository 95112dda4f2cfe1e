package dataplane

import (
	"context"
	"net/netip"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network"
)

// portDNS is where names are asked.
const portDNS = 53

// server is a running name server of one network.
type server struct {
	at   netip.AddrPort
	stop context.CancelFunc
}

// listen has names of every network answered at its gateway, and of no other.
func (p *Plane) listen(ctx context.Context, f *network.Fabric) {
	for id, s := range p.servers {
		n := f.Networks[id]
		if n == nil || n.Gateway != s.at.Addr() {
			p.hush(id)
		}
	}
	for id, n := range f.Networks {
		if n.Ingress || !n.Gateway.IsValid() || p.servers[id] != nil {
			continue
		}
		if err := p.serve(ctx, n); err != nil && ctx.Err() == nil {
			p.cfg.Log.Warn("names of a network are not answered on this node; it is tried again", "network", n.Name, "err", err)
		}
	}
}

func (p *Plane) hush(id model.ID) {
	if s := p.servers[id]; s != nil {
		s.stop()
		delete(p.servers, id)
		p.noteServer(id, false)
	}
}

func (p *Plane) serve(ctx context.Context, n *network.Network) error {
	at := netip.AddrPortFrom(n.Gateway, portDNS)
	pc, ln, err := p.cfg.Kernel.Listen(ctx, n.ID, at)
	if err != nil {
		return err
	}
	serving, stop := context.WithCancel(ctx)
	s := &server{at: at, stop: stop}
	p.servers[n.ID] = s
	p.noteServer(n.ID, true)
	p.serving.Go(func() error {
		defer stop()
		err := p.cfg.Names.Serve(serving, n.ID, pc, ln)
		if serving.Err() != nil {
			return nil
		}
		p.cfg.Log.Warn("a name server ended and is started again", "network", n.Name, "err", err)
		_ = p.do(ctx, func(context.Context) {
			if p.servers[n.ID] == s {
				p.hush(n.ID)
			}
		})
		return nil
	})
	return nil
}

func (p *Plane) noteServer(id model.ID, runs bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if runs {
		p.names[id] = true
	} else {
		delete(p.names, id)
	}
}
