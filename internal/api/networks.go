package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	"github.com/moby/moby/api/types/network"
	"github.com/skep-org/skep/internal/api/filters"
	"github.com/skep-org/skep/internal/api/find"
	"github.com/skep-org/skep/internal/api/httperr"
	"github.com/skep-org/skep/internal/api/render"
	"github.com/skep-org/skep/internal/api/versions"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// clustered says whether there are cluster networks to speak of.
func (s *Server) clustered() bool { return s.Cluster.Manager() != nil }

func (s *Server) networkList(r *request) error {
	if !s.clustered() {
		return s.forward(r)
	}
	args, err := r.filters("dangling", "driver", "id", "label", "name", "scope", "type", "until")
	if err != nil {
		return err
	}
	dangling, wantDangling, err := args.Bool("dangling")
	if err != nil {
		return err
	}
	v, _, err := r.view()
	if err != nil {
		return err
	}
	var local []json.RawMessage
	if err := s.askEngine(r.Context(), r.enginePath("/networks?"+r.URL.RawQuery), nil, &local); err != nil {
		return err
	}
	out := []json.RawMessage{}
	for row := range store.Networks.All(v) {
		n := render.Network(v, row)
		if !matchNetwork(args, n) || wantDangling && dangling == networkInUse(v, row.ID) {
			continue
		}
		text, err := encode(n)
		if err != nil {
			return err
		}
		out = append(out, text)
	}
	for _, raw := range local {
		if carried(raw) == "" {
			out = append(out, raw)
		}
	}
	return r.kind(versions.Network, out)
}

// carried is the id of the cluster network that an engine network carries; empty for the engine's own.
func carried(raw json.RawMessage) string {
	var n struct{ Labels map[string]string }
	if json.Unmarshal(raw, &n) != nil {
		return ""
	}
	return n.Labels[networkLabel]
}

func matchNetwork(args filters.Args, n network.Inspect) bool {
	kind := "custom"
	if n.Ingress {
		kind = "builtin"
	}
	return args.Exact("driver", n.Driver) && args.Pattern("id", n.ID) && args.Pattern("name", n.Name) &&
		args.Labels("label", n.Labels) && args.Exact("scope", n.Scope) && args.Exact("type", kind)
}

func networkInUse(v store.View, id model.ID) bool {
	use := usersOf(v, refersToNetwork(id))
	return len(use.services) > 0 || !use.task.IsZero()
}

func (s *Server) networkInspect(r *request) error {
	scope := r.URL.Query().Get("scope")
	if !s.clustered() || scope != "" && scope != "swarm" {
		return s.forward(r)
	}
	v, _, err := r.view()
	if err != nil {
		return err
	}
	if row := exactNetwork(v, r.id); row != nil {
		return s.showNetwork(r, v, row)
	}
	// A service may join the engine's own networks too, and clients ask for what it may join in this scope.
	query := r.URL.Query()
	query.Del("scope")
	var local json.RawMessage
	err = s.askEngine(r.Context(), r.enginePath("/networks/"+url.PathEscape(r.id)+"?"+query.Encode()), nil, &local)
	switch id := carried(local); {
	case err == nil && id == "":
		return r.kind(versions.Network, local)
	case err == nil:
		r.id = id
	case httperr.Status(err) != http.StatusNotFound:
		return err
	}
	row, err := find.Network(v, r.id)
	if err != nil {
		return err
	}
	return s.showNetwork(r, v, row)
}

// showNetwork answers with a cluster network and, of its containers, those on this node.
func (s *Server) showNetwork(r *request, v store.View, row *model.Network) error {
	out := render.Network(v, row)
	if id := s.carrier(r, row.ID); id != "" {
		var local struct {
			Containers map[string]network.EndpointResource
		}
		if s.askEngine(r.Context(), "/networks/"+id, nil, &local) == nil && len(local.Containers) > 0 {
			out.Containers = local.Containers
		}
	}
	return r.kind(versions.Network, out)
}

// carrier is the engine's network that carries a cluster network here, if there is one.
func (s *Server) carrier(r *request, id model.ID) string {
	query := url.Values{"filters": {`{"label":["` + networkLabel + "=" + id.String() + `"]}`}}
	var found []struct{ ID string }
	if s.askEngine(r.Context(), "/networks?"+query.Encode(), nil, &found) != nil || len(found) == 0 {
		return ""
	}
	return found[0].ID
}

func (s *Server) networkRemove(r *request) error {
	if !s.clustered() {
		return s.forward(r)
	}
	v, m, err := r.view()
	if err != nil {
		return err
	}
	row := exactNetwork(v, r.id)
	if row == nil {
		var local json.RawMessage
		err := s.askEngine(r.Context(), "/networks/"+url.PathEscape(r.id), nil, &local)
		switch {
		case err == nil && carried(local) == "":
			return s.forward(r)
		case err == nil:
			r.id = carried(local)
		case httperr.Status(err) != http.StatusNotFound:
			return err
		}
		if row, err = find.Network(v, r.id); err != nil {
			return err
		}
	}
	if err := s.dropNetwork(r, v, m, row); err != nil {
		return err
	}
	r.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) dropNetwork(r *request, v store.View, m Manager, row *model.Network) error {
	use := usersOf(v, refersToNetwork(row.ID))
	switch {
	case len(use.services) > 0:
		return httperr.BadRequest("network %s is in use by service %s", row.ID, use.serviceID)
	case !use.task.IsZero():
		return httperr.BadRequest("network %s is in use by task %s", row.ID, use.task)
	}
	if name := s.guest(r, row.ID); name != "" {
		return httperr.BadRequest("network %s is in use by container %s", row.ID, name)
	}
	b := store.Batch{Conditions: []store.Condition{store.Networks.At(row), store.Networks.Unused(row.Key())}, Changes: []store.Change{store.Networks.Delete(row.Key())}}
	return r.commit(m, "network", row.Name, b)
}

// networkPrune removes the cluster's unused networks and lets the engine remove its own, but not those that
// carry a cluster network: the executor sees to them.
func (s *Server) networkPrune(r *request) error {
	if !s.clustered() {
		return s.forward(r)
	}
	args, err := r.filters("label", "label!", "until")
	if err != nil {
		return err
	}
	v, m, err := r.view()
	if err != nil {
		return err
	}
	deleted := []string{}
	for row := range store.Networks.All(v) {
		n := render.Network(v, row)
		// A network's age is not known by the clock the filter means, so a prune by age spares them all.
		if n.Ingress || len(args["until"]) > 0 || !args.Labels("label", n.Labels) || excluded(args, n.Labels) || networkInUse(v, row.ID) {
			continue
		}
		switch err := s.dropNetwork(r, v, m, row); {
		case err == nil:
			deleted = append(deleted, row.Name)
		case errors.Is(err, r.Context().Err()):
			return err
		}
	}
	args["label!"] = append(args["label!"], networkLabel)
	text, err := json.Marshal(args)
	if err != nil {
		return err
	}
	var report network.PruneReport
	path := "/networks/prune?" + url.Values{"filters": {string(text)}}.Encode()
	if err := s.callEngine(r.Context(), http.MethodPost, path, nil, &report); err != nil {
		return err
	}
	return r.json(http.StatusOK, network.PruneReport{NetworksDeleted: append(deleted, report.NetworksDeleted...)})
}

// excluded says whether labels has one of those that spare an object.
func excluded(args filters.Args, labels map[string]string) bool {
	for _, label := range args["label!"] {
		if (filters.Args{"label": {label}}).Labels("label", labels) {
			return true
		}
	}
	return false
}
