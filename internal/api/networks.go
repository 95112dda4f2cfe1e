package api

import (
	"encoding/json"
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
	if !s.active() {
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
	list := s.clusterNetworks
	if !s.clustered() {
		list = s.carriedNetworks
	}
	networks, err := list(r)
	if err != nil {
		return err
	}
	out := []json.RawMessage{}
	for _, n := range networks {
		// A list does not tell who is on a network: as in swarm, all pass for dangling.
		if !matchNetwork(args, n) || wantDangling && !dangling {
			continue
		}
		text, err := encode(n)
		if err != nil {
			return err
		}
		out = append(out, text)
	}
	var local []json.RawMessage
	if err := s.askEngine(r.Context(), r.enginePath("/networks?"+r.URL.RawQuery), nil, &local); err != nil {
		return err
	}
	for _, raw := range local {
		if carried(raw) == "" {
			out = append(out, raw)
		}
	}
	return r.kind(versions.Network, out)
}

// clusterNetworks are all, for a manager to list.
func (s *Server) clusterNetworks(r *request) ([]network.Inspect, error) {
	v, _, err := r.view()
	if err != nil {
		return nil, err
	}
	var out []network.Inspect
	for row := range store.Networks.All(v) {
		out = append(out, render.Network(v, row))
	}
	return out, nil
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
	return args.Exact("driver", n.Driver) && args.Pattern("id", n.ID) && args.Begins("name", n.Name) &&
		args.Labels("label", n.Labels) && args.Exact("scope", n.Scope) && args.Exact("type", "custom")
}

func networkInUse(v store.View, id model.ID) bool {
	use := usersOf(v, refersToNetwork(v, id))
	return len(use.services) > 0 || !use.task.IsZero()
}

func (s *Server) networkInspect(r *request) error {
	scope := r.URL.Query().Get("scope")
	if !s.active() || scope != "" && scope != "swarm" {
		return s.forward(r)
	}
	if !s.clustered() {
		return s.inspectCarried(r)
	}
	verbose, err := r.strictFlag("verbose")
	if err != nil {
		return err
	}
	v, _, err := r.view()
	if err != nil {
		return err
	}
	if row := exactNetwork(v, r.id); row != nil {
		return s.showNetwork(r, v, row, verbose)
	}
	// Clients ask in this scope for what a service may join: of the engine's own that is what every engine has.
	if scope != "" && !forServices(r.id) {
		row, err := find.Network(v, r.id)
		if err != nil {
			return err
		}
		return s.showNetwork(r, v, row, verbose)
	}
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
	return s.showNetwork(r, v, row, verbose)
}

// showNetwork answers with a cluster network and, of its containers, those on this node.
func (s *Server) showNetwork(r *request, v store.View, row *model.Network, verbose bool) error {
	out := render.Inspected(v, row, verbose)
	if id := s.carrier(r, row.ID); id != "" {
		var local struct {
			Containers map[string]network.EndpointResource
		}
		if s.askEngine(r.Context(), "/networks/"+id, nil, &local) == nil {
			out.Containers = local.Containers
		}
	}
	return r.kind(versions.Network, out)
}
