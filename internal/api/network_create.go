package api

import (
	"net/http"
	"net/url"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/api/decode"
	"github.com/skep-org/skep/internal/api/httperr"
	"github.com/skep-org/skep/internal/api/validate"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

func (s *Server) networkCreate(r *request) error {
	body, err := decode.Body(r.Request)
	if err != nil {
		return err
	}
	if !s.active() {
		return s.pass(r, body)
	}
	var req network.CreateRequest
	if err := decode.JSON(body, &req); err != nil {
		return err
	}
	if !s.clustered() {
		return s.createOnWorker(r, &req, body)
	}
	v, m, err := r.view()
	if err != nil {
		return err
	}
	taken := httperr.Conflict("network with name %s already exists", req.Name)
	if store.NetworkNamed(v, req.Name) != nil {
		return taken
	}
	if !isCluster(&req) {
		return s.pass(r, body)
	}
	if req.Name == "" {
		return httperr.New(http.StatusInternalServerError, "invalid name: ")
	}
	// A network that carried a cluster network now gone is on its way out.
	var local engineNetwork
	if s.askEngine(r.Context(), "/networks/"+url.PathEscape(req.Name), nil, &local) == nil && local.Name == req.Name &&
		local.Labels[networkLabel] == "" {
		return taken
	}
	if err := validate.Network(&req); err != nil {
		return err
	}
	if req.Ingress && store.IngressNetwork(v) != nil {
		return ingressThere(v)
	}
	row := &model.Network{ID: s.Env.NewID(), Name: req.Name, Spec: model.DocOf(networkSpec(&req))}
	err = r.commit(m, "network", req.Name, store.Batch{Changes: []store.Change{store.Networks.Put(row)}})
	if httperr.Status(err) == http.StatusConflict {
		if v, _, err = r.view(); err == nil && store.NetworkNamed(v, req.Name) == nil && store.IngressNetwork(v) != nil {
			return ingressThere(v) // another request for one was faster
		}
		return taken
	}
	if err != nil {
		return err
	}
	return r.json(http.StatusCreated, network.CreateResponse{ID: row.ID.String()})
}

func ingressThere(v store.View) error {
	return httperr.Conflict("ingress network (%s) is already present", store.IngressNetwork(v).ID)
}

// isCluster tells the cluster's networks from the engine's. Those that only hold settings for others are each node's own.
func isCluster(req *network.CreateRequest) bool {
	return !req.ConfigOnly && (req.Driver == "overlay" || req.Scope == "swarm")
}

func networkSpec(req *network.CreateRequest) swarm.NetworkSpec {
	spec := swarm.NetworkSpec{
		Annotations:         swarm.Annotations{Name: req.Name, Labels: req.Labels},
		DriverConfiguration: &swarm.Driver{Name: req.Driver, Options: req.Options},
		IPv6Enabled:         req.EnableIPv6 != nil && *req.EnableIPv6,
		Internal:            req.Internal, Attachable: req.Attachable, Ingress: req.Ingress, ConfigFrom: req.ConfigFrom, Scope: "swarm",
	}
	if spec.ConfigFrom != nil && spec.ConfigFrom.Network == "" {
		spec.ConfigFrom = nil
	}
	if req.IPAM == nil {
		return spec
	}
	driver := req.IPAM.Driver
	if driver == "" {
		driver = "default"
	}
	spec.IPAMOptions = &swarm.IPAMOptions{Driver: swarm.Driver{Name: driver, Options: req.IPAM.Options}}
	for _, c := range req.IPAM.Config {
		spec.IPAMOptions.Configs = append(spec.IPAMOptions.Configs, swarm.IPAMConfig{Subnet: c.Subnet, Range: c.IPRange, Gateway: c.Gateway})
	}
	return spec
}
