package manager

import (
	"context"
	"errors"

	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/manager/roles"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// Members are the managers with who of them answers. Where this manager does not lead it is a guess by what their
// agents say.
func (m *Manager) Members(ctx context.Context) (roles.Group, error) {
	g, err := m.group.Members(ctx)
	if errors.Is(err, store.ErrNotLeader) {
		return roles.Of(m.store.View(), m.Leader()), nil
	}
	return g, err
}

// Leader is the node that leads, as far as this manager knows; zero when it knows of none.
func (m *Manager) Leader() model.ID {
	l := m.replica.Leadership()
	if row := store.Members.ByID(m.store.View(), model.NumID(l.Leader)); row != nil && l.Leader != 0 {
		return row.NodeID
	}
	return model.ID{}
}

// Enter makes another node's manager a member that votes; see [group.Group.Enter].
func (m *Manager) Enter(ctx context.Context, peer identity.Peer, raftID uint64, addr string) error {
	return m.group.Enter(ctx, peer, raftID, addr)
}

// Depart takes another node's manager out of the group; see [group.Group.Depart].
func (m *Manager) Depart(ctx context.Context, peer identity.Peer, raftID uint64, force bool) error {
	return m.group.Depart(ctx, peer, raftID, force)
}
