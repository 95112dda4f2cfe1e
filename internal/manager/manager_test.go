package manager

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/store/raft"
	"github.com/skep-org/skep/internal/store/raft/rafttest"
	"github.com/skep-org/skep/internal/wire"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// termFunc is a term made of one function.
type termFunc func(context.Context) error

func (f termFunc) Run(ctx context.Context) error { return f(ctx) }

func (f termFunc) Connect(model.ID, string) wire.Session { return nil }

func (f termFunc) Ask(context.Context, model.ID, *wire.ManagerMessage) error { return nil }

func idle(*store.Store, store.Committer, uint64) Term {
	return termFunc(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
}

func found(t *testing.T) *rafttest.Log {
	t.Helper()
	log := rafttest.NewLog(raft.Identity{ID: 1, Node: model.NumID(7).String(), Cluster: model.NumID(8).String()}, 0)
	_, err := Found(env.Real(), log, Founding{
		Cluster: model.NumID(8), Node: model.NumID(7), Advertise: netip.MustParseAddrPort("192.0.2.1:2377"),
		Request: swarm.InitRequest{SubnetSize: 24},
	})
	require.NoError(t, err)
	return log
}

// during runs a manager on log inside f.
func during(t *testing.T, log raft.Log, newTerm func(*store.Store, store.Committer, uint64) Term, f func(context.Context, *Manager)) {
	t.Helper()
	m, err := Open(Options{Log: log, Env: env.Real(), Logger: slog.New(slog.DiscardHandler), NewTerm: newTerm})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	require.NoError(t, m.WaitLeading(ctx))
	f(ctx, m)
	cancel()
	err = <-done
	require.True(t, err == nil || errors.Is(err, context.Canceled), "%v", err)
}

func service(name string) *store.Batch {
	return &store.Batch{Writer: store.WriterAPI, Changes: []store.Change{
		store.Services.Put(&model.Service{ID: env.Real().NewID(), Name: name})}}
}

func TestAcknowledgedWritesOutliveTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := found(t)
		during(t, log, idle, func(ctx context.Context, m *Manager) {
			c := store.TheCluster(m.Store().View())
			require.NotNil(t, c, "the founding rows are there before anything was asked")
			require.Zero(t, c.SubnetSize, "24 without a pool is what the stock CLI sends unasked")
			require.Equal(t, 1, store.Members.Len(m.Store().View()))

			_, err := m.Commit(service("web")).Wait(ctx)
			require.NoError(t, err)
			_, err = m.Commit(service("web")).Wait(ctx)
			require.ErrorIs(t, err, store.ErrExists)
			v, err := m.Fresh(ctx)
			require.NoError(t, err)
			require.NotNil(t, store.ServiceNamed(v, "web"))
		})
		log.Crash()
		during(t, log, idle, func(_ context.Context, m *Manager) {
			require.NotNil(t, store.ServiceNamed(m.Store().View(), "web"))
		})
	})
}

func TestAFailedTermIsFollowedByAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var terms atomic.Int32
		failing := func(s *store.Store, c store.Committer, self uint64) Term {
			if terms.Add(1) == 1 {
				return termFunc(func(context.Context) error { return errors.New("a stage failed") })
			}
			return idle(s, c, self)
		}
		during(t, found(t), failing, func(ctx context.Context, m *Manager) {
			time.Sleep(termRetry * 3) // synctest's clock
			require.EqualValues(t, 2, terms.Load())
			_, err := m.Commit(service("web")).Wait(ctx)
			require.NoError(t, err)
		})
	})
}

func TestAStoppedManagerTellsThatTheOutcomeIsUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m *Manager
		during(t, found(t), idle, func(_ context.Context, running *Manager) { m = running })
		_, err := m.Commit(service("late")).Wait(t.Context())
		require.ErrorIs(t, err, store.ErrNotLeader)
	})
}
