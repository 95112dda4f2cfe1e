package dataplane

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/skep-org/skep/internal/network"
	"github.com/skep-org/skep/internal/network/kernel"
)

// repairs is the remedy of what the plane sees to by itself.
const repairs = "skep repairs this by itself within seconds; if it stays, its log on this node says why"

// Check compares what is desired with the kernel, the engine and the name servers, and tells what differs. It repairs
// nothing.
func (p *Plane) Check(ctx context.Context) ([]network.Finding, error) {
	var found []network.Finding
	drifts, err := p.drifts(ctx)
	if err != nil {
		return nil, fmt.Errorf("the kernel does not tell what it holds of the networks: %w", err)
	}
	for _, d := range drifts {
		found = append(found, network.Finding{Area: network.AreaKernel, Object: d.Where, Wrong: d.What + " is " + wrong(d.How), Remedy: repairs})
	}
	host, err := p.cfg.Kernel.Findings()
	if err != nil {
		return nil, err
	}
	found = append(found, host...)
	found = append(found, p.checkDesired()...)
	ingress, err := p.checkIngress()
	if err != nil {
		return nil, err
	}
	found = append(found, ingress...)
	found = append(found, p.checkNames()...)
	keys, err := p.checkKeys(ctx)
	if err != nil {
		return nil, err
	}
	found = append(found, keys...)
	engine, err := p.checkEngine(ctx)
	return append(found, engine...), err
}

// drifts compares the kernel with what is desired. It is read again if it was changed meanwhile.
func (p *Plane) drifts(ctx context.Context) (list []network.Drift, err error) {
	const tries = 5
	for range tries {
		p.mu.Lock()
		want := p.last
		p.mu.Unlock()
		if want == nil {
			return nil, nil
		}
		list, err = p.cfg.Kernel.Audit(ctx, want)
		if done := p.do(ctx, func(context.Context) { err = p.still(want, err) }); done != nil {
			return nil, done
		}
		if !errors.Is(err, kernel.ErrChanging) {
			break
		}
	}
	return list, err
}

func wrong(h network.How) string {
	switch h {
	case network.Missing:
		return "missing"
	case network.Extra:
		return "there and should not be"
	}
	return "not as it should be"
}

// checkDesired finds containers on networks that the managers do not tell of.
func (p *Plane) checkDesired() (found []network.Finding) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.broken != nil {
		found = append(found, network.Finding{Area: network.AreaKernel, Object: "this node", Wrong: p.broken.Error(), Remedy: repairs})
	}
	for _, id := range slices.Sorted(maps.Keys(p.places)) {
		one := p.places[id]
		n := p.fabric.Networks[one.Network]
		switch {
		case one.Sandbox == "":
		case n == nil:
			found = append(found, network.Finding{
				Area: network.AreaDesired, Object: "container of " + one.Owner.String(), Wrong: "the managers told this node nothing of its network " + one.Network.String(),
				Remedy: "look whether the node reaches a manager (docker info), and whether the network still exists",
			})
		case n.Endpoints[one.Owner] == nil:
			found = append(found, network.Finding{
				Area: network.AreaDesired, Object: fmt.Sprintf("container of %s on network %s", one.Owner, n.Name), Wrong: "the managers do not count with it",
				Remedy: "if it stays so, end the container: its address may be given to another",
			})
		}
	}
	return found
}

// checkIngress finds what the host does not reach any more because the ingress network has the same addresses.
func (p *Plane) checkIngress() (found []network.Finding, err error) {
	if p.cfg.Taken == nil {
		return nil, nil
	}
	taken, err := p.cfg.Taken()
	if err != nil {
		return nil, fmt.Errorf("which addresses this host uses cannot be told: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range p.fabric.Networks {
		if what := network.Overlapping(n.Subnet.Masked(), taken); n.Ingress && what != "" {
			found = append(found, network.Finding{
				Area: network.AreaDesired, Object: "network " + n.Name, Wrong: fmt.Sprintf("its subnet %s overlaps %s of this host, which is not reached any more", n.Subnet.Masked(), what),
				Remedy: "make the network anew with a subnet that all nodes have free: docker network rm " + n.Name + ", then docker network create --driver overlay --ingress --subnet SUBNET " + n.Name,
			})
		}
	}
	return found, nil
}

// checkNames finds networks whose names nobody answers.
func (p *Plane) checkNames() (found []network.Finding) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range p.fabric.Networks {
		if !n.Ingress && n.Gateway.IsValid() && !p.names[n.ID] {
			found = append(found, network.Finding{
				Area: network.AreaNames, Object: "network " + n.Name, Wrong: "no name server answers at " + n.Gateway.String(), Remedy: repairs,
			})
		}
	}
	slices.SortFunc(found, func(a, b network.Finding) int {
		if a.Object < b.Object {
			return -1
		}
		return 1
	})
	return found
}

// checkEngine finds places that only one of engine and plane knows.
func (p *Plane) checkEngine(ctx context.Context) (found []network.Finding, err error) {
	realms, err := p.cfg.Engine.Realms(ctx, func(string) bool { return false })
	if err != nil {
		return nil, fmt.Errorf("ask the engine for its networks: %w", err)
	}
	seen := map[string]bool{}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range realms {
		for _, one := range r.Places {
			seen[one.Endpoint] = true
			if p.places[one.Endpoint] == nil {
				found = append(found, network.Finding{
					Area: network.AreaEngine, Object: "endpoint " + short(one.Endpoint), Wrong: "the engine has it on network " + r.Of.String() + ", and this node knows nothing of it", Remedy: repairs,
				})
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(p.places)) {
		if !seen[id] && p.places[id].Sandbox != "" {
			found = append(found, network.Finding{
				Area: network.AreaEngine, Object: "endpoint " + short(id), Wrong: "the engine does not have it any more", Remedy: repairs,
			})
		}
	}
	return found, nil
}

func short(id string) string { return id[:min(12, len(id))] }
