package api

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/network"
	"github.com/skep-org/skep/internal/api/httperr"
	"github.com/skep-org/skep/internal/api/versions"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network/plugin"
)

// carrier is the engine's network that carries a cluster network here, if there is one.
func (s *Server) carrier(r *request, id model.ID) string {
	found, err := s.carriers(r, networkLabel+"="+id.String())
	if err != nil {
		return ""
	}
	for _, n := range found {
		if n.Labels[networkLabel] == id.String() {
			return n.ID
		}
	}
	return ""
}

// carrierNamed finds it by what a user calls the cluster network: its name, its id or the beginning of that.
func (s *Server) carrierNamed(r *request, ref string) string {
	found, err := s.carriers(r, networkLabel)
	if err != nil {
		return ""
	}
	id := ""
	for _, n := range found {
		if n.Name == ref {
			return n.ID
		}
		if strings.HasPrefix(n.Labels[networkLabel], ref) {
			id = n.ID
		}
	}
	return id
}

// carriers are the engine's networks with a label.
func (s *Server) carriers(r *request, label string) ([]network.Inspect, error) {
	text, err := json.Marshal(map[string][]string{"label": {label}})
	if err != nil {
		return nil, err
	}
	var found []network.Inspect
	err = s.askEngine(r.Context(), "/networks?"+url.Values{"filters": {string(text)}}.Encode(), nil, &found)
	return slices.DeleteFunc(found, func(n network.Inspect) bool { return n.Labels[networkLabel] == "" }), err
}

// carriedNetworks are those a worker knows of: what carries them on its engine, shown as the cluster's.
func (s *Server) carriedNetworks(r *request) ([]network.Inspect, error) {
	found, err := s.carriers(r, networkLabel)
	if err != nil {
		return nil, err
	}
	out := make([]network.Inspect, len(found))
	for i, n := range found {
		out[i] = asCluster(n)
	}
	return out, nil
}

// asCluster shows an engine's network as the cluster's that it carries. What only managers know is left out.
func asCluster(n network.Inspect) network.Inspect {
	n.ID, n.Scope = n.Labels[networkLabel], "swarm"
	if n.Driver == plugin.Name {
		n.Driver, n.IPAM.Driver = "overlay", "default"
	}
	n.Labels, n.Options = less(n.Labels), less(n.Options)
	return n
}

// less is a map without what skep tells itself.
func less(all map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range all {
		if !strings.HasPrefix(k, "skep.") {
			out[k] = v
		}
	}
	return out
}

// inspectCarried answers on a worker.
func (s *Server) inspectCarried(r *request) error {
	id := s.carrierNamed(r, r.id)
	if local := s.localNetwork(r.Context(), r.id); id == "" || local != nil && local.Labels[networkLabel] == "" {
		return s.forward(r)
	}
	var n network.Inspect
	if err := s.askEngine(r.Context(), r.enginePath("/networks/"+id), nil, &n); err != nil {
		return err
	}
	return r.kind(versions.Network, asCluster(n))
}

// removeOnWorker leaves the cluster's networks to the managers.
func (s *Server) removeOnWorker(r *request) error {
	local := s.localNetwork(r.Context(), r.id)
	if local != nil && local.Labels[networkLabel] == "" || s.carrierNamed(r, r.id) == "" {
		return s.forward(r)
	}
	_, err := r.manager()
	return err
}

// createOnWorker does the same.
func (s *Server) createOnWorker(r *request, asked askedNetwork, body []byte) error {
	if asked.cluster() {
		return httperr.New(http.StatusForbidden, "Cannot create a multi-host network from a worker node. Please create the network from a manager node.")
	}
	return s.pass(r, body)
}
