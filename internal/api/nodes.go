package api

import (
	"encoding/json"
	"net/http"
	"strings"

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
	v, m, err := r.view()
	if err != nil {
		return err
	}
	nodes := render.NewNodes(v, r.group(v, m))
	return list(r, versions.Node, func(yield func(swarm.Node) bool) {
		for n := range find.Prefixed(v, store.NodeSpecs, args["id"]) {
			if matchNode(v, args, n) && !yield(nodes.Node(n)) {
				return
			}
		}
	})
}

func checkNodeFilters(args filters.Args) error {
	for _, f := range []struct{ key, one, other string }{{"role", "worker", "manager"}, {"membership", "accepted", "pending"}} {
		for i, value := range args[f.key] {
			args[f.key][i] = strings.ToLower(value)
			if args[f.key][i] != f.one && args[f.key][i] != f.other {
				return httperr.New(http.StatusInternalServerError, "Invalid %s filter: '%s'", f.key, value)
			}
		}
	}
	return nil
}

// matchNode holds a node against the filters but that of ids.
func matchNode(v store.View, args filters.Args, n *model.NodeSpec) bool {
	if spec := n.Spec.Get(); !args.Labels("node.label", spec.Labels) || !args.Exact("role", string(spec.Role)) {
		return false
	}
	var d swarm.NodeDescription
	if state := store.NodeStates.ByID(v, n.ID); state != nil {
		d = *state.Description.Get()
	}
	return args.Prefix("name", d.Hostname) && args.Labels("label", d.Engine.Labels) && args.Exact("membership", "accepted")
}

func (s *Server) nodeInspect(r *request) error {
	v, m, err := r.view()
	if err != nil {
		return err
	}
	n, err := find.Node(v, r.id)
	if err != nil {
		return err
	}
	return r.kind(versions.Node, render.NewNodes(v, r.group(v, m)).Node(n))
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
	return again(func() error { return s.tryNodeUpdate(r, &spec, raw, version) })
}

// tryNodeUpdate fails with errRaced when another manager was changed meanwhile, or this node: then the next look says so.
func (s *Server) tryNodeUpdate(r *request, spec *swarm.NodeSpec, raw json.RawMessage, version uint64) error {
	v, m, err := r.view()
	if err != nil {
		return err
	}
	if err := checkNodeSpec(spec); err != nil {
		return err
	}
	old, err := find.Node(v, r.id)
	if err != nil {
		return err
	}
	if old.Index != version {
		return httperr.New(http.StatusInternalServerError, "update out of sequence")
	}
	conditions, err := r.checkRole(v, m, old, spec.Role)
	if err != nil {
		return err
	}
	next := &model.NodeSpec{ID: old.ID}
	if next.Spec, err = documentOver(raw, *spec); err != nil {
		return err
	}
	if err := r.commit(m, "node", old.ID.String(), store.Batch{
		Conditions: append(conditions, store.NodeSpecs.At(old)),
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

func (s *Server) nodeRemove(r *request) error {
	v, m, err := r.view()
	if err != nil {
		return err
	}
	n, err := find.Node(v, r.id)
	if err != nil {
		return err
	}
	// One that was demoted may still be a member for a moment: it is taken out of the group all the same.
	if n.Spec.Get().Role == swarm.NodeRoleManager && store.MemberOf(v, n.ID) != nil {
		return httperr.BadRequest("node %s is a cluster manager and is a member of the raft cluster. It must be demoted to worker before removal", n.ID)
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
