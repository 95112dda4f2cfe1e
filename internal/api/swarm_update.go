package api

import (
	"cmp"
	"strconv"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/api/decode"
	"github.com/skep-org/skep/internal/api/httperr"
	"github.com/skep-org/skep/internal/api/versions"
	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// minCertExpiry is swarm's own.
const minCertExpiry = time.Hour

func (s *Server) swarmUpdate(r *request) error {
	var spec swarm.Spec
	raw, err := r.decode(&spec)
	if err != nil {
		return err
	}
	version, err := r.versionOf("swarm")
	if err != nil {
		return err
	}
	asked, err := r.rotations()
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
	authority, err := s.askRoot(r, v, &next, merged.CAConfig, spec.CAConfig)
	if err != nil {
		return err
	}
	// The authority's part may hold a key: a document keeps of it what its type knows.
	if next.Spec, err = documentOver(versions.Without(raw, "CAConfig"), merged); err != nil {
		return err
	}
	if err := s.rotate(asked, old, &next); err != nil {
		return err
	}
	authority.settleTokens(asked, v, &next)
	err = r.commit(m, "swarm", old.ID.String(), store.Batch{
		Conditions: append(authority.conditions, store.Clusters.At(old)),
		Changes:    append(authority.changes, store.Clusters.Put(&next)),
	})
	if err != nil {
		return err
	}
	return r.ok()
}

// rotations are the secrets that an update asks to be drawn anew.
type rotations struct{ worker, manager, key bool }

func (r *request) rotations() (asked rotations, err error) {
	for _, f := range []struct {
		name string
		set  *bool
	}{{"rotateWorkerToken", &asked.worker}, {"rotateManagerToken", &asked.manager}, {"rotateManagerUnlockKey", &asked.key}} {
		text := r.URL.Query().Get(f.name)
		if text == "" {
			continue
		}
		if *f.set, err = strconv.ParseBool(text); err != nil {
			return asked, httperr.BadRequest("invalid value for %s: %s", f.name, text)
		}
	}
	return asked, nil
}

// rotate draws the secrets asked for. They are decided here so that who asks next reads what was answered.
func (s *Server) rotate(asked rotations, old, next *model.Cluster) (err error) {
	if asked.worker {
		next.WorkerToken = identity.Secret(s.Env.NewID())
	}
	if asked.manager {
		next.ManagerToken = identity.Secret(s.Env.NewID())
	}
	locked := next.Spec.Get().EncryptionConfig.AutoLockManagers
	switch {
	case !locked:
		next.UnlockKey = ""
	case old.UnlockKey == "" || asked.key:
		next.UnlockKey, err = identity.UnlockKey(s.Env.Rand)
	}
	return err
}

// mergeSpec is the spec after an update: the whole of it as it was sent, as in swarm. What is left out is zero from then on,
// is shown so, and means the default where it takes effect; but no history limit is a limit of none, also in swarm. Who asks
// for no rotation of the authority gets none.
func mergeSpec(old, update swarm.Spec) swarm.Spec {
	out := update
	out.Name = old.Name
	if out.Labels == nil {
		out.Labels = map[string]string{}
	}
	if out.Orchestration.TaskHistoryRetentionLimit == nil {
		out.Orchestration.TaskHistoryRetentionLimit = new(int64(0))
	}
	if out.Raft.KeepOldSnapshots == nil {
		out.Raft.KeepOldSnapshots = new(uint64(0))
	}
	out.CAConfig.SigningCACert, out.CAConfig.SigningCAKey = old.CAConfig.SigningCACert, old.CAConfig.SigningCAKey
	out.CAConfig.ForceRotate = cmp.Or(update.CAConfig.ForceRotate, old.CAConfig.ForceRotate)
	return out
}

// documentOver makes a document of value that keeps what raw has and value does not know.
func documentOver[T any](raw []byte, value T) (model.Doc[T], error) {
	out, err := decode.Overlay(raw, value)
	if err != nil {
		return model.Doc[T]{}, httperr.BadRequest("%s", err)
	}
	return model.NewDoc[T](out)
}
