package manager

import (
	"bytes"
	"context"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/store/raft"
	"github.com/skep-org/skep/internal/store/raft/rafttest"
	"github.com/stretchr/testify/require"
)

// lost is the log of one of three managers whose others are gone: its last write is not known to be committed.
func lost(t *testing.T) *rafttest.Log {
	t.Helper()
	log := found(t)
	during(t, log, idle, func(ctx context.Context, m *Manager) {
		_, err := m.Commit(service("web")).Wait(ctx)
		require.NoError(t, err)
		for _, id := range []uint64{2, 3} {
			join := &store.Batch{Writer: store.WriterJoin, Changes: []store.Change{
				store.NodeSpecs.Put(&model.NodeSpec{ID: model.NumID(id), Spec: model.DocOf(swarm.NodeSpec{Role: "manager", Availability: "active"})}),
				store.NodeIdentities.Put(&model.NodeIdentity{ID: model.NumID(id), Role: model.RoleManager}),
			}}
			_, err := m.Commit(join).Wait(ctx)
			require.NoError(t, err)
		}
		learners := raft.Change{}
		for _, id := range []uint64{2, 3} {
			learners.Learners = append(learners.Learners, raft.Member{ID: id, Node: model.NumID(id).String(), Addr: "192.0.2.9:2377"})
		}
		require.NoError(t, m.Replica().Change(ctx, learners))
	})
	return log
}

// revived begins anew from a state, and runs what came of it.
func revived(t *testing.T, s *store.Store, node model.ID, f func(context.Context, *Manager, identity.Keys)) {
	t.Helper()
	log := raft.NewMemoryLog(raft.Identity{ID: 77, Node: node.String(), Cluster: model.NumID(8).String()})
	keys, err := Revive(env.Real(), log, s, Revival{Node: node, RaftID: 77, Advertise: netip.MustParseAddrPort("192.0.2.5:2377")})
	require.NoError(t, err)
	log.Crash()
	during(t, log, idle, func(ctx context.Context, m *Manager) { f(ctx, m, keys) })
}

func TestAClusterGoesOnWithOneOfItsManagers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Recall(lost(t))
		require.NoError(t, err)
		was := s.View()
		web := store.ServiceNamed(was, "web")
		require.NotNil(t, web)
		time.Sleep(time.Minute) // synctest's clock
		revived(t, s, model.NumID(7), func(ctx context.Context, m *Manager, keys identity.Keys) {
			v, err := m.Fresh(ctx)
			require.NoError(t, err)
			require.Equal(t, web, store.ServiceNamed(v, "web"), "rows stay as they were, stamps too")
			require.Equal(t, 1, store.Members.Len(v))
			require.Equal(t, model.NumID(7), store.MemberOf(v, model.NumID(7)).NodeID)
			require.Equal(t, 3, store.NodeSpecs.Len(v), "the others are asked to be managers as before")
			old, now := store.TheCluster(was), store.TheCluster(v)
			require.Greater(t, now.Epoch, old.Epoch)
			require.Equal(t, old.ManagerToken, now.ManagerToken)
			require.GreaterOrEqual(t, now.Index, was.Index()+60*lostPerSecond, "no write of a life this state does not know had the index")
			cert, err := identity.ParseCert(keys.Cert)
			require.NoError(t, err)
			peer, err := identity.PeerOf(cert)
			require.NoError(t, err)
			require.Equal(t, model.RoleManager, peer.Role)
			require.Equal(t, store.NodeIdentities.ByID(v, model.NumID(7)).Cert, keys.Cert)
			_, err = m.Commit(service("api")).Wait(ctx)
			require.NoError(t, err, "and it writes again")
			require.Greater(t, store.ServiceNamed(m.Store().View(), "api").Index, now.Index)
		})
	})
}

// TestTwoRestoresOfOneBackup: the later one has the later epoch, though it starts from the same state.
func TestTwoRestoresOfOneBackup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Recall(lost(t))
		require.NoError(t, err)
		var backup bytes.Buffer
		require.NoError(t, s.View().Snapshot(&backup))
		var epochs, indexes []uint64
		for range 2 {
			time.Sleep(time.Hour)
			from := store.New()
			require.NoError(t, from.Restore(bytes.NewReader(backup.Bytes())))
			revived(t, from, model.NumID(99), func(_ context.Context, m *Manager, _ identity.Keys) {
				v := m.Store().View()
				epochs, indexes = append(epochs, store.TheCluster(v).Epoch), append(indexes, v.Index())
				require.Equal(t, swarm.NodeRoleManager, store.NodeSpecs.ByID(v, model.NumID(99)).Spec.Get().Role, "a node that was none of the cluster's")
				require.Equal(t, model.RoleManager, store.NodeIdentities.ByID(v, model.NumID(99)).Role)
			})
		}
		require.Less(t, epochs[0], epochs[1])
		require.Less(t, indexes[0], indexes[1])
	})
}

func TestAWorkerOfTheBackupBecomesItsManager(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Recall(lost(t))
		require.NoError(t, err)
		spec := *store.NodeSpecs.ByID(s.View(), model.NumID(2)).Spec.Get()
		spec.Role, spec.Availability = swarm.NodeRoleWorker, swarm.NodeAvailabilityDrain
		require.NoError(t, s.Apply(s.View().Index()+1, store.Entry{Batch: &store.Batch{Writer: store.WriterAPI, Changes: []store.Change{
			store.NodeSpecs.Put(&model.NodeSpec{ID: model.NumID(2), Spec: model.DocOf(spec)})}}}))
		revived(t, s, model.NumID(2), func(_ context.Context, m *Manager, _ identity.Keys) {
			got := store.NodeSpecs.ByID(m.Store().View(), model.NumID(2)).Spec.Get()
			require.Equal(t, swarm.NodeRoleManager, got.Role)
			require.Equal(t, swarm.NodeAvailabilityDrain, got.Availability)
		})
	})
}

func TestWhatHoldsNoClusterIsNotRevived(t *testing.T) {
	log := raft.NewMemoryLog(raft.Identity{ID: 5, Node: model.NumID(7).String(), Cluster: model.NumID(8).String()})
	_, err := Recall(log)
	require.ErrorContains(t, err, "nothing to go on from")
	_, err = Revive(env.Real(), log, store.New(), Revival{Node: model.NumID(7), RaftID: 5})
	require.ErrorContains(t, err, "holds no cluster")
	full, err := Recall(found(t))
	require.NoError(t, err)
	_, err = Revive(env.Real(), found(t), full, Revival{Node: model.NumID(7), RaftID: 5})
	require.ErrorContains(t, err, "holds one already")
}
