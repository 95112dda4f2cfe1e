package dataplane

import "github.com/skep-org/skep/internal/network"

// Known is what the managers last told of the networks.
func (p *Plane) Known() *network.Fabric {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fabric
}
