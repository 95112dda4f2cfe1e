package node

import (
	"bytes"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/manager"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/node/vault"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
)

var silent = slog.New(slog.DiscardHandler)

const firstAddr = "192.0.2.1:2377"

// founded is a data directory with a new cluster.
func founded(t *testing.T) (string, membership) {
	t.Helper()
	dir := t.TempDir()
	ms := membership{Node: model.NumID(7), Cluster: model.NumID(8), Manager: true, RaftID: firstRaftID, ListenAddr: firstAddr, AdvertiseAddr: firstAddr}
	f := manager.Founding{Cluster: ms.Cluster, Node: ms.Node, Advertise: netip.MustParseAddrPort(firstAddr), Request: swarm.InitRequest{}}
	require.NoError(t, found(dir, env.Real(), silent, ms, f))
	return dir, ms
}

func epochOf(t *testing.T, dir string) uint64 {
	t.Helper()
	return store.TheCluster(stateOf(t, dir).View()).Epoch
}

// stateOf is what the log in a data directory holds.
func stateOf(t *testing.T, dir string) *store.Store {
	t.Helper()
	v, err := vault.Open(filepath.Join(dir, swarmDir), true, env.Real().Rand, "")
	require.NoError(t, err)
	s, err := ownState(dir, v, silent)
	require.NoError(t, err)
	return s
}

// draft is what revive does, up to the moment at which the new state counts.
func draft(t *testing.T, dir string, s *store.Store, r revival) membership {
	t.Helper()
	ms := membership{Node: r.node, Cluster: store.TheCluster(s.View()).ID, Manager: true, RaftID: 1<<63 | 5, ListenAddr: r.listen.String(), AdvertiseAddr: r.advertise.String()}
	require.NoError(t, draftRevived(dir, env.Real(), silent, s, r, ms))
	return ms
}

func TestACrashLeavesTheOldOrTheNewCluster(t *testing.T) {
	dir, old := founded(t)
	knows := []byte("what the agent knows")
	require.NoError(t, fileDisk(filepath.Join(dir, swarmDir, assignmentsFile)).Save(knows))
	s := stateOf(t, dir)
	at := netip.MustParseAddrPort("192.0.2.2:2377")
	r := revival{old: &old, node: old.Node, addresses: addresses{listen: at, advertise: at}}
	isOld := func(when string) {
		ms, err := readMembership(dir)
		require.NoError(t, err)
		require.Equal(t, &old, ms, when)
		require.EqualValues(t, 1, epochOf(t, dir), when)
	}
	ms := draft(t, dir, s, r)
	isOld("all is drafted but the membership's file")
	require.NoError(t, ms.save(filepath.Join(dir, swarmNewDir)))
	isOld("all is drafted")
	// A crash at any moment of the draft leaves some of its files: another try is not hindered by them.
	err := filepath.WalkDir(filepath.Join(dir, swarmNewDir), func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			err = os.Truncate(path, 0)
		}
		return err
	})
	require.NoError(t, err)
	s = stateOf(t, dir)
	ms = draft(t, dir, s, r)
	require.NoError(t, replaceMembership(dir, ms))

	got, err := readMembership(dir)
	require.NoError(t, err)
	require.Equal(t, &ms, got)
	require.Greater(t, epochOf(t, dir), uint64(1))
	known, err := os.ReadFile(filepath.Join(dir, swarmDir, assignmentsFile))
	require.NoError(t, err)
	require.Equal(t, knows, known)
	v, err := vault.Open(filepath.Join(dir, swarmDir), true, env.Real().Rand, "")
	require.NoError(t, err)
	keys, err := openKeyring(v, env.Real(), silent)
	require.NoError(t, err)
	require.Equal(t, model.RoleManager, keys.role())
	_, err = keys.Keys().Server()
	require.NoError(t, err)

	require.NoError(t, exchangeMembership(dir), "what cannot be taken part in is given back")
	isOld("after going back")
}

func TestARestoringNodeWithoutAClusterKnowsThatThereWasOne(t *testing.T) {
	from, _ := founded(t)
	s := stateOf(t, from)
	var body bytes.Buffer
	require.NoError(t, s.View().Snapshot(&body))
	state := store.New()
	require.NoError(t, state.Restore(&body))
	dir := t.TempDir()
	at := netip.MustParseAddrPort("192.0.2.3:2377")
	ms := draft(t, dir, state, revival{node: model.NumID(9), addresses: addresses{listen: at, advertise: at}})
	_, err := os.Stat(filepath.Join(dir, swarmDir))
	require.ErrorIs(t, err, os.ErrNotExist, "before the end nothing is there")
	require.NoError(t, replaceMembership(dir, ms))
	b, err := os.ReadFile(filepath.Join(dir, swarmDir, assignmentsFile))
	require.NoError(t, err)
	var saved wire.Saved
	require.NoError(t, proto.Unmarshal(b, &saved))
	require.EqualValues(t, 1, saved.Assignments.Epoch)
	require.NotZero(t, saved.Assignments.Version, "so that the next epoch is a later one")
	require.Greater(t, epochOf(t, dir), saved.Assignments.Epoch)
}

// TestWhoRestores: a node is who it was; else the manager the others look for at its address; else nobody they know.
func TestWhoRestores(t *testing.T) {
	dir, old := founded(t)
	s := stateOf(t, dir)
	require.NoError(t, s.Apply(s.View().Index()+1, store.Entry{Batch: &store.Batch{Writer: store.WriterRaft, Changes: []store.Change{
		store.Members.Put(&model.Member{RaftID: 1, NodeID: old.Node, Addr: firstAddr})}}}))
	stranger := membership{Node: model.NumID(5), Cluster: old.Cluster}
	for _, tc := range []struct {
		old  *membership
		addr string
		want model.ID
	}{
		{&old, "192.0.2.9:2377", old.Node},
		{nil, firstAddr, old.Node},
		{&stranger, firstAddr, old.Node},
		{nil, "192.0.2.9:2377", model.ID{}},
		{&stranger, "192.0.2.9:2377", model.ID{}},
	} {
		got := whoRestores(env.Real(), s.View(), tc.old, netip.MustParseAddrPort(tc.addr))
		if tc.want.IsZero() {
			require.Nil(t, store.NodeSpecs.ByID(s.View(), got), "%+v", tc)
		} else {
			require.Equal(t, tc.want, got, "%+v", tc)
		}
	}
}
