package node

import (
	"context"

	"github.com/skep-org/skep/internal/logs"
)

// Logs implements [logs.Source]: the output of the tasks on this node.
func (c *cluster) Logs(ctx context.Context, sel logs.Selector, opts logs.Options) (logs.Stream, error) {
	m := c.current()
	if m == nil {
		return nil, errNoMember
	}
	p := m.manager()
	if p == nil {
		return nil, errNoMember
	}
	return logs.Local{Node: m.membership().Node, Executor: m.executor, Store: p.manager.Store()}.Logs(ctx, sel, opts)
}
