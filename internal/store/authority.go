package store

import (
	"github.com/skep-org/skep/internal/model"
	"github.com/tidwall/btree"
)

// TheRoot returns the certificate authority the nodes trust, or nil before init.
func TheRoot(v View) *model.Root {
	for r := range Roots.All(v) {
		return r
	}
	return nil
}

// TheRootSpec returns the certificate authority the cluster is to have; nil where another than the first was never asked for.
func TheRootSpec(v View) *model.RootSpec {
	for r := range RootSpecs.All(v) {
		return r
	}
	return nil
}

// JoinSecrets are the secret halves of the join tokens.
func JoinSecrets(v View) (worker, manager string) {
	c, root, spec := TheCluster(v), TheRoot(v), TheRootSpec(v)
	if c == nil {
		return "", ""
	}
	worker, manager = c.WorkerToken, c.ManagerToken
	if root != nil && spec != nil && spec.Digest == root.Digest {
		if spec.WorkerToken != "" {
			worker = spec.WorkerToken
		}
		if spec.ManagerToken != "" {
			manager = spec.ManagerToken
		}
	}
	return worker, manager
}

// wantedRoot: of two rotations the one asked for last counts. That the first one is done is decided over a view that
// may be older than the second, whose chain begins at the root before: only apply knows which of the two came first.
func wantedRoot(v View, r *model.Root, _ *btree.PathHint) bool {
	spec := RootSpecs.ByID(v, r.ClusterID)
	return spec == nil || spec.Digest == r.Digest
}
