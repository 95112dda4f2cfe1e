package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/api/httperr"
	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/manager/rotation"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// newRoot is what an update writes beside the cluster's row when its certificate authority is concerned.
type newRoot struct {
	spec       *model.RootSpec // nil: it stays as it is
	conditions []store.Condition
	changes    []store.Change
}

// askRoot decides about the certificate authority that an update asks for. What is read back next, that there is a
// rotation and to which root, is in the update's own commit.
func (s *Server) askRoot(r *request, v store.View, next *model.Cluster, merged, sent swarm.CAConfig) (newRoot, error) {
	root, spec := store.TheRoot(v), store.TheRootSpec(v)
	if root == nil {
		return newRoot{}, nil
	}
	merged.SigningCACert, merged.SigningCAKey = sent.SigningCACert, sent.SigningCAKey
	ask := rotation.Ask{
		Root: root, Spec: spec, Force: next.RootForce, Config: merged, Now: s.Env.Now(), Rand: s.Env.Rand,
		Secret: func() string { return identity.Secret(s.Env.NewID()) },
	}
	ask.Outside, _ = s.Cluster.(rotation.Outside) // without it no external authority is reached
	ctx, cancel := context.WithTimeout(r.Context(), commitLimit)
	defer cancel()
	wanted, err := ask.Decide(ctx)
	switch {
	case errors.Is(err, rotation.ErrInternal):
		return newRoot{}, httperr.New(http.StatusInternalServerError, "%s", err)
	case err != nil:
		return newRoot{}, httperr.BadRequest("%s", err)
	}
	next.RootForce = merged.ForceRotate
	out := newRoot{spec: wanted, conditions: []store.Condition{store.Roots.At(root)}}
	if wanted != nil {
		out.put(root, spec, wanted)
	}
	return out, nil
}

func (n *newRoot) put(root *model.Root, old, wanted *model.RootSpec) {
	if old != nil {
		n.conditions = append(n.conditions, store.RootSpecs.At(old))
	} else {
		n.conditions = append(n.conditions, store.RootSpecs.Absent(root.Key()))
	}
	n.changes = append(n.changes, store.RootSpecs.Put(wanted))
}

// settleTokens keeps the join tokens as they are, but for those that the update rotates, while the row that holds them
// changes: the tokens that came with the present root are the cluster's from now on.
func (n *newRoot) settleTokens(asked rotations, v store.View, next *model.Cluster) {
	root, old := store.TheRoot(v), store.TheRootSpec(v)
	worker, manager := store.JoinSecrets(v)
	if !asked.worker {
		next.WorkerToken = worker
	}
	if !asked.manager {
		next.ManagerToken = manager
	}
	switch {
	case root == nil || old == nil || identity.Rotating(root, old):
		return // what counts is in the cluster's row
	case n.spec != nil && n.spec.Digest != root.Digest:
		return // its tokens count when it is the root
	case old.WorkerToken == "" && old.ManagerToken == "" && n.spec == nil:
		return
	}
	same := *old
	if n.spec != nil {
		same = *n.spec
	}
	same.WorkerToken, same.ManagerToken = "", ""
	n.changes, n.conditions = nil, []store.Condition{store.Roots.At(root)}
	n.put(root, old, &same)
}
