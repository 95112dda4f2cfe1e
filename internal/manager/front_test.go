package manager

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/store/raft"
	"github.com/stretchr/testify/require"
)

func TestAWriteWithoutALeaderFailsPlainlyAndInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// A member that was made to join and has heard nothing of its group.
		log := raft.NewMemoryLog(raft.Identity{ID: 2, Node: model.NumID(7).String(), Cluster: model.NumID(8).String()})
		m, err := Open(Options{Log: log, Env: env.Real(), Logger: slog.New(slog.DiscardHandler), NewTerm: idle})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- m.Run(ctx) }()
		forwarded := 0
		f := Front{Manager: m, Forward: func(context.Context, *store.Batch) (uint64, error) {
			forwarded++
			return 0, store.ErrNotLeader
		}}

		began := time.Now()
		_, err = f.Commit(service("web")).Wait(ctx)
		require.ErrorIs(t, err, ErrNoLeader)
		require.Less(t, time.Since(began), 5*time.Second, "who asks a cluster without a leader has his answer within five seconds")
		require.Zero(t, forwarded, "there was nobody to forward to")
		_, err = f.Fresh(ctx)
		require.ErrorIs(t, err, ErrNoLeader)
		cancel()
		_ = <-done // how it ended is another test's matter
	})
}

func TestTheLeaderWritesItselfAndTakesOnlyRequestsOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		during(t, found(t), idle, func(ctx context.Context, m *Manager) {
			f := Front{Manager: m, Forward: func(context.Context, *store.Batch) (uint64, error) {
				return 0, errors.New("the leader forwarded its own write")
			}}
			_, err := f.Commit(service("web")).Wait(ctx)
			require.NoError(t, err)
			v, err := f.Fresh(ctx)
			require.NoError(t, err)
			require.NotNil(t, store.ServiceNamed(v, "web"))

			_, err = m.Propose(ctx, service("db"))
			require.NoError(t, err)
			_, err = m.Propose(ctx, &store.Batch{Writer: store.WriterScheduler})
			require.ErrorIs(t, err, store.ErrWriter)
		})
	})
}
