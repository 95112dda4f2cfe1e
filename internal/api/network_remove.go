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
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

func (s *Server) networkRemove(r *request) error {
	switch {
	case !s.active():
		return s.forward(r)
	case !s.clustered():
		return s.removeOnWorker(r)
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
	use := usersOf(v, refersToNetwork(v, row.ID))
	switch {
	case len(use.services) > 0 && row.Spec.Get().Ingress:
		return httperr.BadRequest("ingress network cannot be removed because service %s depends on it", use.serviceID)
	case len(use.services) > 0:
		return httperr.BadRequest("network %s is in use by service %s", row.ID, use.serviceID)
	case !use.task.IsZero():
		return httperr.BadRequest("network %s is in use by task %s", row.ID, use.task)
	}
	if name := s.guest(r, v, row.ID); name != "" {
		return httperr.BadRequest("network %s is in use by container %s", row.ID, name)
	}
	b := store.Batch{Conditions: []store.Condition{store.Networks.At(row), store.Networks.Unused(row.Key())}, Changes: []store.Change{store.Networks.Delete(row.Key())}}
	return r.commit(m, "network", row.Name, b)
}

// networkPrune removes the cluster's unused networks and lets the engine remove its own, but not those that
// carry a cluster network: the executor sees to them.
func (s *Server) networkPrune(r *request) error {
	if !s.active() {
		return s.forward(r)
	}
	args, err := r.filters("label", "label!", "until")
	if err != nil {
		return err
	}
	var deleted []string
	if s.clustered() {
		if deleted, err = s.pruneCluster(r, args); err != nil {
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

func (s *Server) pruneCluster(r *request, args filters.Args) ([]string, error) {
	var deleted []string // none is null, as Docker has it
	v, m, err := r.view()
	if err != nil {
		return nil, err
	}
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
			return nil, err
		}
	}
	return deleted, nil
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
