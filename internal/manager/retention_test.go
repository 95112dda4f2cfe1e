package manager

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/store/raft"
	"github.com/stretchr/testify/require"
)

// What the cluster's settings say of the log counts from the moment they are written.
func TestRetentionFollowsTheSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := found(t)
		set := func(ctx context.Context, m *Manager, to swarm.RaftConfig) {
			t.Helper()
			c := *store.TheCluster(m.Store().View())
			spec := *c.Spec.Get()
			spec.Raft = to
			c.Spec = model.DocOf(spec)
			_, err := m.Commit(&store.Batch{Writer: store.WriterAPI, Changes: []store.Change{store.Clusters.Put(&c)}}).Wait(ctx)
			require.NoError(t, err)
		}
		during(t, log, idle, func(ctx context.Context, m *Manager) {
			for _, c := range []struct {
				asked swarm.RaftConfig
				want  raft.Retention
			}{
				{swarm.RaftConfig{}, raft.Retention{}},
				{swarm.RaftConfig{SnapshotInterval: 10000, LogEntriesForSlowFollowers: 500, KeepOldSnapshots: new(uint64(0))}, raft.Retention{SnapshotEntries: 10000}},
				{swarm.RaftConfig{SnapshotInterval: 50, LogEntriesForSlowFollowers: 30, KeepOldSnapshots: new(uint64(3))}, raft.Retention{SnapshotEntries: 50, TrailingEntries: 30, OldSnapshots: 3}},
			} {
				set(ctx, m, c.asked)
				require.Equal(t, c.want, m.replicated.Retention())
			}
			snapshot := func() uint64 {
				time.Sleep(time.Second) // in which what was begun is done
				s, err := m.Replica().Status(ctx)
				require.NoError(t, err)
				return s.Snapshot
			}
			before := snapshot()
			set(ctx, m, swarm.RaftConfig{SnapshotInterval: 5, LogEntriesForSlowFollowers: 1})
			for i := range 12 {
				_, err := m.Commit(service("s" + strconv.Itoa(i))).Wait(ctx)
				require.NoError(t, err)
			}
			require.Greater(t, snapshot(), before+5, "one was due within twelve entries")
		})
	})
}
