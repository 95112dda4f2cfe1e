package api

import (
	"net/http"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/api/filters"
	"github.com/skep-org/skep/internal/api/find"
	"github.com/skep-org/skep/internal/api/httperr"
	"github.com/skep-org/skep/internal/api/render"
	"github.com/skep-org/skep/internal/api/versions"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

func (s *Server) nodeList(r *request) error {
	args, err := r.filters("id", "label", "name", "node.label", "role", "membership")
	if err != nil {
		return err
	}
	if err := checkNodeFilters(args); err != nil {
		return err
	}
	v, _, err := r.view()
	if err != nil {
		return err
	}
	out := []swarm.Node{}
	for n := range store.NodeSpecs.All(v) {
		if node := render.Node(v, n, s.Cluster.State().Leader); matchNode(args, node) {
			out = append(out, node)
		}
	}
	return r.kind(http.StatusOK, versions.Node, out)
}

func checkNodeFilters(args filters.Args) error {
	for _, f := range []struct{ key, one, other string }{{"role", "worker", "manager"}, {"membership", "accepted", "pending"}} {
		for _, value := range args[f.key] {
			if value != f.one && value != f.other {
				return httperr.New(http.StatusInternalServerError, "Invalid %s filter: '%s'", f.key, value)
			}
		}
	}
	return nil
}

func matchNode(args filters.Args, n swarm.Node) bool {
	return args.Prefix("id", n.ID) && args.Prefix("name", n.Description.Hostname) &&
		args.Labels("label", n.Description.Engine.Labels) && args.Labels("node.label", n.Spec.Labels) &&
		args.Exact("role", string(n.Spec.Role)) && args.Exact("membership", "accepted")
}

func (s *Server) nodeInspect(r *request) error {
	v, _, err := r.view()
	if err != nil {
		return err
	}
	n, err := find.Node(v, r.id)
	if err != nil {
		return err
	}
	return r.kind(http.StatusOK, versions.Node, render.Node(v, n, s.Cluster.State().Leader))
}

func (s *Server) nodeUpdate(r *request) error {
	var spec swarm.NodeSpec
	raw, err := r.decode(&spec)
	if err != nil {
		return err
	}
	version, err := r.versionOf("node")
	if err != nil {
		return err
	}
	v, m, err := r.view()
	if err != nil {
		return err
	}
	if err := checkNodeSpec(&spec); err != nil {
		return err
	}
	old, err := find.Node(v, r.id)
	if err != nil {
		return err
	}
	if old.Index != version {
		return httperr.New(http.StatusInternalServerError, "update out of sequence")
	}
	if err := checkRole(v, old, spec.Role); err != nil {
		return err
	}
	next := &model.NodeSpec{ID: old.ID}
	if next.Spec, err = documentOver(raw, spec); err != nil {
		return err
	}
	if err := r.commit(m, "node", old.ID.String(), store.Batch{
		Conditions: []store.Condition{store.NodeSpecs.At(old)},
		Changes:    []store.Change{store.NodeSpecs.Put(next)},
	}); err != nil {
		return err
	}
	return r.ok()
}

func checkNodeSpec(spec *swarm.NodeSpec) error {
	switch spec.Role {
	case swarm.NodeRoleManager, swarm.NodeRoleWorker:
	default:
		return httperr.BadRequest("invalid Role: %q", string(spec.Role))
	}
	switch spec.Availability {
	case swarm.NodeAvailabilityActive, swarm.NodeAvailabilityPause, swarm.NodeAvailabilityDrain:
	default:
		return httperr.BadRequest("invalid Availability: %q", string(spec.Availability))
	}
	if spec.Labels == nil {
		spec.Labels = map[string]string{}
	}
	return nil
}

func checkRole(v store.View, old *model.NodeSpec, asked swarm.NodeRole) error {
	switch {
	case asked == old.Spec.Get().Role:
		return nil
	case asked == swarm.NodeRoleWorker && store.Members.Len(v) <= 1:
		return httperr.BadRequest("attempting to demote the last manager of the swarm")
	}
	return httperr.NotImplemented("changing a node's role is not supported by this version of skep")
}

func (s *Server) nodeRemove(r *request) error {
	v, m, err := r.view()
	if err != nil {
		return err
	}
	n, err := find.Node(v, r.id)
	if err != nil {
		return err
	}
	for member := range store.Members.All(v) {
		if member.NodeID == n.ID {
			return httperr.BadRequest("node %s is a cluster manager and is a member of the raft cluster. It must be demoted to worker before removal", n.ID)
		}
	}
	state := store.NodeStates.ByID(v, n.ID)
	if state != nil && state.State == model.ReachReady && !r.flag("force") {
		return httperr.BadRequest("node %s is not down and can't be removed", n.ID)
	}
	if err := r.commit(m, "node", n.ID.String(), store.Batch{
		Conditions: []store.Condition{store.NodeSpecs.At(n)},
		Changes:    []store.Change{store.NodeSpecs.Delete(n.Key())},
	}); err != nil {
		return err
	}
	return r.ok()
}
