package manager

import (
	"log/slog"
	"testing"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/store/raft"
	"github.com/stretchr/testify/require"
)

// What was proposed is open until it has been applied, or refused by the log.
func TestOpenProposals(t *testing.T) {
	var log [][]byte
	refuse := false
	r, err := NewReplicated(store.New(), env.Real(), slog.New(slog.DiscardHandler), func(raw []byte) error {
		if refuse {
			return raft.ErrNotLeader
		}
		log = append(log, raw)
		return nil
	})
	require.NoError(t, err)
	batch := func() *store.Batch {
		return &store.Batch{Writer: store.WriterAPI, Changes: []store.Change{store.Clusters.Put(&model.Cluster{ID: env.Real().NewID()})}}
	}
	first, second := r.Commit(batch()), r.Commit(batch())
	require.ElementsMatch(t, []*store.Pending{first, second}, r.Open())
	r.Apply([]raft.Entry{{Index: 1, Data: log[0]}}, 1)
	require.Equal(t, []*store.Pending{second}, r.Open())
	refuse = true
	_, known, err := r.Commit(batch()).Result()
	require.True(t, known)
	require.ErrorIs(t, err, store.ErrNotLeader)
	require.Equal(t, []*store.Pending{second}, r.Open())
	r.Apply([]raft.Entry{{Index: 2, Data: log[1]}}, 2)
	require.Empty(t, r.Open())
}
