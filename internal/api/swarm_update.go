package api

import (
	"encoding/base64"
	"io"
	"maps"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/api/decode"
	"github.com/skep-org/skep/internal/api/httperr"
	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// minCertExpiry is swarm's own.
const minCertExpiry = time.Hour

func (s *Server) swarmUpdate(r *request) error {
	var spec swarm.Spec
	if _, err := r.decode(&spec); err != nil {
		return err
	}
	version, err := r.versionOf("swarm")
	if err != nil {
		return err
	}
	v, m, err := r.view()
	if err != nil {
		return err
	}
	old := store.TheCluster(v)
	switch {
	case old == nil:
		return httperr.NotFound("swarm not found")
	case spec.Name != "" && spec.Name != old.Spec.Get().Name:
		return httperr.BadRequest("swarm spec must be named %q", old.Spec.Get().Name)
	}
	if err := s.checkSpec(&spec); err != nil {
		return err
	}
	if old.Index != version {
		return httperr.New(500, "update out of sequence")
	}
	next := *old
	merged := mergeSpec(*old.Spec.Get(), spec)
	if merged.CAConfig.ForceRotate != old.Spec.Get().CAConfig.ForceRotate {
		return httperr.NotImplemented("rotating the cluster's certificate authority is not supported by this version of skep")
	}
	if next.Spec, err = documentOver(old.Spec.Raw(), merged); err != nil {
		return err
	}
	s.rotate(r, old, &next)
	return commitOrNil(r, m, &next, old)
}

func commitOrNil(r *request, m Manager, next, old *model.Cluster) error {
	err := r.commit(m, "swarm", old.ID.String(), store.Batch{
		Conditions: []store.Condition{store.Clusters.At(old)},
		Changes:    []store.Change{store.Clusters.Put(next)},
	})
	if err != nil {
		return err
	}
	return r.ok()
}

// rotate draws the secrets asked for. They are decided here so that who asks next reads what was answered.
func (s *Server) rotate(r *request, old, next *model.Cluster) {
	if r.flag("rotateWorkerToken") {
		next.WorkerToken = identity.Secret(s.Env.NewID())
	}
	if r.flag("rotateManagerToken") {
		next.ManagerToken = identity.Secret(s.Env.NewID())
	}
	locked := next.Spec.Get().EncryptionConfig.AutoLockManagers
	switch {
	case !locked:
		next.UnlockKey = ""
	case old.UnlockKey == "" || r.flag("rotateManagerUnlockKey"):
		next.UnlockKey = newUnlockKey(s.Env.Rand)
	}
}

// newUnlockKey has swarm's form.
func newUnlockKey(random io.Reader) string {
	var key [32]byte
	if _, err := io.ReadFull(random, key[:]); err != nil {
		panic("api: the source of randomness failed: " + err.Error())
	}
	return "SWMKEY-1-" + base64.RawStdEncoding.EncodeToString(key[:])
}

// mergeSpec takes from an update what it says; zero values leave a setting as it is, as in swarm.
func mergeSpec(old, update swarm.Spec) swarm.Spec {
	out := old
	if update.Labels != nil {
		out.Labels = maps.Clone(update.Labels)
	}
	if update.Orchestration.TaskHistoryRetentionLimit != nil {
		out.Orchestration.TaskHistoryRetentionLimit = update.Orchestration.TaskHistoryRetentionLimit
	}
	set(&out.Raft.SnapshotInterval, update.Raft.SnapshotInterval)
	if update.Raft.KeepOldSnapshots != nil {
		out.Raft.KeepOldSnapshots = update.Raft.KeepOldSnapshots
	}
	set(&out.Raft.LogEntriesForSlowFollowers, update.Raft.LogEntriesForSlowFollowers)
	set(&out.Raft.ElectionTick, update.Raft.ElectionTick)
	set(&out.Raft.HeartbeatTick, update.Raft.HeartbeatTick)
	set(&out.Dispatcher.HeartbeatPeriod, update.Dispatcher.HeartbeatPeriod)
	set(&out.CAConfig.NodeCertExpiry, update.CAConfig.NodeCertExpiry)
	set(&out.CAConfig.ForceRotate, update.CAConfig.ForceRotate)
	if update.TaskDefaults.LogDriver != nil {
		out.TaskDefaults.LogDriver = update.TaskDefaults.LogDriver
	}
	out.EncryptionConfig = update.EncryptionConfig
	return out
}

func set[T comparable](to *T, value T) {
	var zero T
	if value != zero {
		*to = value
	}
}

// documentOver makes a document of value that keeps what raw has and value does not know.
func documentOver[T any](raw []byte, value T) (model.Doc[T], error) {
	out, err := decode.Overlay(raw, value)
	if err != nil {
		return model.Doc[T]{}, httperr.BadRequest("%s", err)
	}
	return model.NewDoc[T](out)
}
