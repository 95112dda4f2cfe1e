package manager

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/manager/roles"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/store/raft"
	"github.com/stretchr/testify/require"
)

func TestTheOnlyManagerIsItsGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		want := roles.Group{{RaftID: 1, Node: model.NumID(7), Addr: "192.0.2.1:2377", Leader: true, Active: true}}
		during(t, found(t), idle, func(ctx context.Context, m *Manager) {
			require.Equal(t, model.NumID(7), m.Leader())
			g, err := Front{Manager: m}.Members(ctx)
			require.NoError(t, err)
			require.Equal(t, want, g)
			require.Equal(t, want, roles.Of(m.Store().View(), m.Leader()), "what is guessed where no leader tells")
			require.ErrorIs(t, g.Remove(1), roles.ErrLastManager)
		})
	})
}

// A manager that does not lead tells what the leader says; it is not kept waiting by one that is none any more, nor
// longer than a little.
func TestAFollowerHasTheLeadersWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := raft.NewMemoryLog(raft.Identity{ID: 2, Node: model.NumID(7).String(), Cluster: model.NumID(8).String()})
		m, err := Open(Options{Log: log, Env: env.Real(), Logger: slog.New(slog.DiscardHandler), NewTerm: idle})
		require.NoError(t, err)
		word := roles.Group{{RaftID: 3, Leader: true, Active: true}, {RaftID: 2}}
		asked := 0
		f := Front{Manager: m, LeaderView: func(ctx context.Context) (roles.Group, error) {
			switch asked++; asked {
			case 1:
				return nil, store.ErrNotLeader
			case 2: // it has lost its power
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return word, nil
		}}
		m.replicated.Lead(raft.Leadership{Term: 1, Leader: 3})
		time.AfterFunc(500*time.Millisecond, func() { m.replicated.Lead(raft.Leadership{Term: 2, Leader: 4}) })
		began := time.Now()
		g, err := f.Members(t.Context())
		require.NoError(t, err)
		require.Equal(t, word, g)
		require.Less(t, time.Since(began), membersWait)

		m.replicated.Lead(raft.Leadership{Term: 2})
		began = time.Now()
		g, err = f.Members(t.Context())
		require.NoError(t, err)
		require.Empty(t, g, "nothing is known")
		require.Equal(t, membersWait, time.Since(began))
	})
}
