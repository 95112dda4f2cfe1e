package manager

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/store/raft"
	pb "go.etcd.io/raft/v3/raftpb"
)

// A revived cluster goes on at an index that no write of the lives it does not know of has had: those since its newest
// write, at most so many a second.
const (
	lostAtLeast   = 100_000
	lostPerSecond = 10_000
)

// Revival is who a cluster goes on with when its managers' group is lost.
type Revival struct {
	Node      model.ID
	RaftID    uint64 // one that no member ever had
	Advertise netip.AddrPort
}

// Recall reads the state a member's log holds, without taking part. Entries that nobody is known to have committed are
// in it: one that was acknowledged may be among them, and whoever wrote the others was told that it may have happened. The
// Member table is as of the log's snapshot.
func Recall(log raft.Log) (*store.Store, error) {
	s := store.New()
	l, err := log.Load()
	if err != nil {
		return nil, err
	}
	if l.Snapshot != nil {
		if err := recallSnapshot(log, l.Snapshot, s); err != nil {
			return nil, err
		}
	}
	for _, e := range l.Entries {
		if e.GetType() == pb.EntryNormal && len(e.GetData()) > 0 {
			entry, err := store.DecodeEntry(e.GetData())
			if err != nil {
				return nil, fmt.Errorf("read entry %d of the log: %w", e.GetIndex(), err)
			}
			_ = s.Apply(e.GetIndex(), entry) // refused here as it was, or would have been, everywhere
		}
		s.Advance(e.GetIndex())
	}
	if store.TheCluster(s.View()) == nil {
		return nil, errors.New("this manager has not been given the cluster's state yet, so there is nothing to go on from")
	}
	return s, nil
}

func recallSnapshot(log raft.Log, meta *pb.Snapshot, s *store.Store) error {
	body, err := log.OpenSnapshot(meta)
	if err != nil {
		return err
	}
	return errors.Join(s.Restore(body), body.Close())
}

// Revive writes a state into a new log, as that of a cluster whose managers' group is one node, under a later epoch
// than any before. Everything but that stays: other nodes keep their rows, tasks their placements. It returns the
// node's keys. s is changed to what the new log holds.
func Revive(e env.Env, log raft.Log, s *store.Store, r Revival) (identity.Keys, error) {
	now := e.Now()
	v := s.View()
	cluster := store.TheCluster(v)
	if cluster == nil || store.Roots.ByID(v, cluster.ID) == nil {
		return identity.Keys{}, errors.New("the state holds no cluster with its authority")
	}
	row := store.Roots.ByID(v, cluster.ID)
	root := identity.Issuing(row, store.TheRootSpec(v))
	cert, err := root.Issue(e.Rand, now, cluster.ID, r.Node, model.RoleManager, certExpiry(cluster))
	if err != nil {
		return identity.Keys{}, err
	}
	batches := r.batches(v, cluster, cert, now)
	last := resume(v, now)
	for i, b := range batches {
		index := last - uint64(len(batches)-1-i)
		if err := s.Apply(index, store.Entry{Time: now.UnixNano(), Batch: b}); err != nil {
			return identity.Keys{}, fmt.Errorf("write the revived cluster's rows: %w", err)
		}
	}
	if err := raft.Revive(log, r.Advertise.String(), last, func(w io.Writer) error { return s.View().Snapshot(w) }); err != nil {
		return identity.Keys{}, err
	}
	return identity.Keys{Cert: cert.Cert, Key: cert.Key, Roots: row.Cert}, nil
}

// resume is the index a revived cluster starts at: Version.Index falls for nobody.
func resume(v store.View, now time.Time) uint64 {
	since := max(0, now.Sub(time.Unix(0, v.Now())))
	return v.Index() + lostAtLeast + uint64(since/time.Second)*lostPerSecond
}

// later is the epoch after all others. The same backup may be restored twice, and two managers may both be told to go
// on alone: the one that was told last has the later epoch, because it is the time.
func later(epoch uint64, now time.Time) uint64 {
	return max(epoch+1, uint64(max(0, now.Unix())))
}

func certExpiry(c *model.Cluster) time.Duration {
	if d := c.Spec.Get().CAConfig.NodeCertExpiry; d > 0 {
		return d
	}
	return defaultCertExpiry
}

// batches are the rows that change, each by its own writer.
func (r Revival) batches(v store.View, cluster *model.Cluster, cert identity.NodeCert, now time.Time) []*store.Batch {
	next := *cluster
	next.Epoch = later(cluster.Epoch, now)
	settings := &store.Batch{Writer: store.WriterAPI, Changes: []store.Change{store.Clusters.Put(&next)}}
	members := &store.Batch{Writer: store.WriterRaft, Changes: []store.Change{
		store.Members.Put(&model.Member{RaftID: r.RaftID, NodeID: r.Node, Addr: r.Advertise.String()})}}
	for m := range store.Members.All(v) {
		if m.RaftID != r.RaftID {
			members.Changes = append(members.Changes, store.Members.Delete(m.Key()))
		}
	}
	own := model.NodeIdentity{ID: r.Node}
	if old := store.NodeIdentities.ByID(v, r.Node); old != nil {
		own = *old
	}
	own.Role, own.Cert, own.KeyDigest = model.RoleManager, cert.Cert, nil
	own.NotAfter = max(own.NotAfter, cert.NotAfter.UnixNano())
	spec := swarm.NodeSpec{Role: swarm.NodeRoleManager, Availability: swarm.NodeAvailabilityActive}
	spec.Labels = map[string]string{}
	old := store.NodeSpecs.ByID(v, r.Node)
	if old == nil {
		come := &store.Batch{Writer: store.WriterJoin, Changes: []store.Change{
			store.NodeSpecs.Put(&model.NodeSpec{ID: r.Node, Spec: model.DocOf(spec)}), store.NodeIdentities.Put(&own)}}
		return []*store.Batch{settings, members, come}
	}
	if was := *old.Spec.Get(); was.Role != swarm.NodeRoleManager {
		was.Role = swarm.NodeRoleManager
		settings.Changes = append(settings.Changes, store.NodeSpecs.Put(&model.NodeSpec{ID: r.Node, Spec: model.DocOf(was)}))
	}
	certified := &store.Batch{Writer: store.WriterIdentity, Changes: []store.Change{store.NodeIdentities.Put(&own)}}
	return []*store.Batch{settings, members, certified}
}
