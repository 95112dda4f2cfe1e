package dataplane

import (
	"context"
	"fmt"
)

// Purge takes away everything the plane has made, for a node that leaves its cluster. It is called when Run has ended.
func (p *Plane) Purge(ctx context.Context) error {
	if err := p.cfg.Kernel.Purge(ctx); err != nil {
		return fmt.Errorf("take this node's networks away: %w", err)
	}
	return nil
}
