package node

import (
	"context"
	"io"

	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/manager/roles"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/node/remote"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
	pb "go.etcd.io/raft/v3/raftpb"
)

// groupCalls are the calls other managers make. It implements [remote.Group].
type groupCalls struct{ p *part }

var _ remote.Group = groupCalls{}

func (g groupCalls) Step(msgs ...*pb.Message) { g.p.manager.Replica().Step(msgs...) }

func (g groupCalls) StepSnapshot(ctx context.Context, msg *pb.Message, body io.Reader) error {
	return g.p.manager.Replica().StepSnapshot(ctx, msg, body)
}

func (g groupCalls) Heard(id uint64, node model.ID, addr string) { g.p.transport.Heard(id, node, addr) }

func (g groupCalls) Propose(ctx context.Context, _ identity.Peer, b *store.Batch) (uint64, error) {
	return g.p.manager.Propose(ctx, b)
}

func (g groupCalls) Enter(ctx context.Context, peer identity.Peer, id uint64, addr string, holds uint64) error {
	return g.p.manager.Group().Enter(ctx, peer, id, addr, holds)
}

func (g groupCalls) Depart(ctx context.Context, peer identity.Peer, id uint64, force bool) error {
	return g.p.manager.Group().Depart(ctx, peer, id, force)
}

func (g groupCalls) Members(ctx context.Context) (roles.Group, error) {
	return g.p.manager.Group().Members(ctx)
}

func (g groupCalls) Ask(ctx context.Context, node model.ID, msg *wire.ManagerMessage) error {
	return g.p.manager.Ask(ctx, node, msg)
}
