package node

import (
	"context"
	"errors"
	"log/slog"

	"github.com/skep-org/skep/internal/api/events"
	"github.com/skep-org/skep/internal/csi"
	"github.com/skep-org/skep/internal/csi/controller"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/logs"
	"github.com/skep-org/skep/internal/manager"
	"github.com/skep-org/skep/internal/manager/authority"
	"github.com/skep-org/skep/internal/manager/roles"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/node/remote"
	"github.com/skep-org/skep/internal/node/vault"
	"github.com/skep-org/skep/internal/secretdriver"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/store/raft"
	"github.com/skep-org/skep/internal/store/wal"
	"github.com/skep-org/skep/internal/wire"
	"golang.org/x/sync/errgroup"
)

// part is what makes a node a manager: its share of the replicated state, and what it does for other nodes.
type part struct {
	raftID    uint64
	log       *wal.Log
	manager   *manager.Manager
	transport *remote.Transport
	front     manager.Front
	authority *authority.Authority
	dialer    *remote.Dialer
	desk      *logs.Desk
	inquiries inquiries
	env       env.Env
}

// createLog makes an empty log for a member that is to enter the group of an existing cluster.
func createLog(dir string, v *vault.Vault, ms membership, logger *slog.Logger) error {
	opt, err := walOptions(dir, v, logger)
	if err != nil {
		return err
	}
	l, err := wal.Create(opt, raft.Identity{ID: ms.RaftID, Node: ms.Node.String(), Cluster: ms.Cluster.String()})
	if err != nil {
		return err
	}
	return l.Close()
}

// partConfig is what a manager's part of a node is made of.
type partConfig struct {
	DataDir    string
	Vault      *vault.Vault
	Membership membership
	Dialer     *remote.Dialer
	Secrets    secretdriver.Drivers
	Storage    csi.Drivers
	Times      manager.Times
	External   authority.Signer // nil: the cluster's own authority signs
	Env        env.Env
	Logger     *slog.Logger
}

// openPart loads a manager's state. Nothing runs until run is called.
func openPart(c partConfig) (*part, error) {
	l, err := openLog(c.DataDir, c.Vault, c.Logger)
	if err != nil {
		return nil, err
	}
	ms := c.Membership
	p := &part{raftID: ms.RaftID, log: l, dialer: c.Dialer, env: c.Env}
	p.desk = p.newDesk(ms)
	p.transport = remote.NewTransport(remote.TransportConfig{
		Cluster: ms.Cluster, ID: ms.RaftID, Addr: ms.AdvertiseAddr, Member: p.member, Dialer: c.Dialer, Env: c.Env, Logger: c.Logger,
	})
	tidy := func(ctx context.Context) error { return p.manager.Group().Run(ctx) }
	sweep := func(ctx context.Context) error { return p.sweepImages(ctx) }
	volumes := func(ctx context.Context) error {
		return controller.New(p.manager.Store(), p.front, c.Storage, c.Env, c.Logger).Run(ctx)
	}
	p.manager, err = manager.Open(manager.Options{
		Log: l, Transport: p.transport, Env: c.Env, Logger: c.Logger, Times: c.Times, NewTerm: manager.StagesWith(c.Env, c.Logger, c.Secrets, tidy, sweep, volumes),
	})
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	p.front = manager.Front{Manager: p.manager, Forward: p.forward, LeaderView: p.leaderView}
	p.authority = authority.New(authority.Options{State: p.front, Env: c.Env, Logger: c.Logger, Leader: p.manager.Leader, External: c.External})
	return p, nil
}

// run takes part until ctx ends or the log fails.
func (p *part) run(ctx context.Context, ring *events.Ring) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.manager.Run(ctx) })
	g.Go(func() error { return p.transport.Run(ctx, p.manager.Replica()) })
	g.Go(func() error { return ring.Follow(ctx, p.manager.Store()) })
	return errors.Join(g.Wait(), p.log.Close())
}

// member looks a member of the group up, for the transport.
func (p *part) member(id uint64) (model.ID, string, bool) {
	if p.manager == nil { // messages that were in the log when it was opened
		return model.ID{}, "", false
	}
	m := store.Members.ByID(p.manager.Store().View(), model.NumID(id))
	if m == nil {
		return model.ID{}, "", false
	}
	return m.NodeID, m.Addr, true
}

// leader is who leads, as far as this manager knows; zero: nobody known.
func (p *part) leader() remote.Manager {
	l := p.manager.Replica().Leadership()
	if l.Leader == 0 {
		return remote.Manager{}
	}
	node, addr, ok := p.member(l.Leader)
	if !ok {
		return remote.Manager{}
	}
	return remote.Manager{Node: node, Addr: addr, Leader: true}
}

// managers are the voting members, for agents.
func (p *part) managers() []remote.Manager {
	lead := p.leader()
	var out []remote.Manager
	for m := range store.Members.All(p.manager.Store().View()) {
		if !m.Learner {
			out = append(out, remote.Manager{Node: m.NodeID, Addr: m.Addr, Leader: m.NodeID == lead.Node})
		}
	}
	return out
}

// forward commits a request's batch at the manager that leads.
func (p *part) forward(ctx context.Context, b *store.Batch) (uint64, error) {
	to := p.leader()
	if to.Addr == "" {
		return 0, store.ErrNotLeader
	}
	return p.dialer.Propose(ctx, to, b)
}

// leaderView asks the manager that leads who answers it.
func (p *part) leaderView(ctx context.Context) (roles.Group, error) {
	to := p.leader()
	if to.Addr == "" {
		return nil, store.ErrNotLeader
	}
	return p.dialer.Members(ctx, to)
}

// handlers are what a manager answers other nodes.
func (p *part) handlers() remote.Handlers {
	return remote.Handlers{
		Authority: p.authority, Group: groupCalls{p}, Dispatcher: p.manager, Relay: relay{p}, Directory: directory{p}, Registry: registryDesk{p},
		Managers: func() []*wire.Manager {
			var out []*wire.Manager
			for _, m := range p.managers() {
				out = append(out, &wire.Manager{NodeId: m.Node[:], Addr: m.Addr, Leader: m.Leader})
			}
			return out
		},
	}
}
