package node

import (
	"context"

	"github.com/skep-org/skep/internal/api"
	"github.com/skep-org/skep/internal/executor"
)

var _ api.Bringer = (*cluster)(nil)

// BringNetwork implements [api.Bringer].
func (c *cluster) BringNetwork(ctx context.Context, net executor.Network) (release func(), err error) {
	c.mu.Lock()
	m := c.member
	c.mu.Unlock()
	if m == nil {
		return nil, errNoMember
	}
	return m.executor.BringNetwork(ctx, net)
}
