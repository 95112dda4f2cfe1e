package node

import (
	"context"

	"github.com/skep-org/skep/internal/logs"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/node/remote"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

// Logs implements [logs.Source]: the output of tasks on all nodes.
func (c *cluster) Logs(ctx context.Context, sel logs.Selector, opts logs.Options) (logs.Stream, error) {
	m := c.current()
	if m == nil {
		return nil, errNoMember
	}
	p := m.manager()
	if p == nil {
		return nil, errNoMember
	}
	own := logs.Local{Node: m.membership().Node, Executor: m.executor, Store: p.manager.Store()}
	return logs.Cluster{Local: own, Relay: p.desk, Clock: m.env}.Logs(ctx, sel, opts)
}

// newPorter makes what carries this node's output to the managers that ask for it.
func (m *member) newPorter() *logs.Porter {
	return logs.NewPorter(logs.PorterConfig{
		Executor: m.executor, Clock: m.env, Log: m.logger,
		Dial: func(ctx context.Context, node model.ID, addr string, stream model.ID) (logs.Sink, error) {
			return m.dialer.Attach(ctx, remote.Manager{Node: node, Addr: addr}, stream)
		},
	})
}

// newDesk makes where other nodes hand in the output that this manager asks them for.
func (p *part) newDesk(ms membership) *logs.Desk {
	return logs.NewDesk(logs.DeskConfig{
		Node: ms.Node, Addr: func() string { return ms.AdvertiseAddr }, Env: p.env, Ask: p.ask,
	})
}

// ask sends a node's agent a message by way of the manager that leads.
func (p *part) ask(ctx context.Context, node model.ID, msg *wire.ManagerMessage) error {
	if p.manager.Leading() {
		return p.manager.Ask(ctx, node, msg)
	}
	to := p.leader()
	if to.Addr == "" {
		return store.ErrNotLeader
	}
	req := &wire.AskRequest{NodeId: node[:]}
	switch k := msg.Kind.(type) {
	case *wire.ManagerMessage_OpenLogs:
		req.What = &wire.AskRequest_OpenLogs{OpenLogs: k.OpenLogs}
	case *wire.ManagerMessage_CloseLogs:
		req.What = &wire.AskRequest_CloseLogs{CloseLogs: k.CloseLogs}
	case *wire.ManagerMessage_Question:
		req.What = &wire.AskRequest_Question{Question: k.Question}
	}
	return p.dialer.Ask(ctx, to, req)
}
