package manager

import (
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/store/raft"
)

// swarmTrailing is what Docker's clients send when the user named no number of entries for slow followers: it counts as
// none, for a log that keeps more spares them a snapshot.
const swarmTrailing = 500

var _ raft.Retainer = (*replicated)(nil)

// Retention implements [raft.Retainer]: it is what the cluster's settings say.
func (r *replicated) Retention() raft.Retention {
	c := store.TheCluster(r.store.View())
	if c == nil {
		return raft.Retention{}
	}
	asked := c.Spec.Get().Raft
	out := raft.Retention{SnapshotEntries: asked.SnapshotInterval}
	if asked.LogEntriesForSlowFollowers != swarmTrailing {
		out.TrailingEntries = asked.LogEntriesForSlowFollowers
	}
	if asked.KeepOldSnapshots != nil {
		out.OldSnapshots = *asked.KeepOldSnapshots
	}
	return out
}
