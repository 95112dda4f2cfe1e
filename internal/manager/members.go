package manager

import (
	"context"
	"errors"

	"github.com/skep-org/skep/internal/manager/group"
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

// Group changes the managers' group. A term that is to carry out demotions runs it beside its stages.
func (m *Manager) Group() *group.Group { return m.group }
