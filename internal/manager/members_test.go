package manager

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/skep-org/skep/internal/manager/roles"
	"github.com/skep-org/skep/internal/model"
	"github.com/stretchr/testify/require"
)

func TestTheOnlyManagerIsItsGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		want := roles.Group{{RaftID: 1, Node: model.NumID(7), Addr: "192.0.2.1:2377", Leader: true, Active: true}}
		during(t, found(t), idle, func(ctx context.Context, m *Manager) {
			require.Equal(t, model.NumID(7), m.Leader())
			g, err := m.Members(ctx)
			require.NoError(t, err)
			require.Equal(t, want, g)
			require.Equal(t, want, roles.Of(m.Store().View(), m.Leader()), "what a manager that does not lead would guess")
			require.ErrorIs(t, g.Remove(1), roles.ErrLastManager)
		})
	})
}
