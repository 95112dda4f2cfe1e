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
	if !s.clustered() {
		return s.pass(r, body)
	}
	var req network.CreateRequest
	if err := decode.JSON(body, &req); err != nil {
		return err
	}
	v, m, err := r.view()
	if err != nil {
		return err
	}
	taken := httperr.Conflict("network with name %s already exists", req.Name)
	if store.NetworkNamed(v, req.Name) != nil {
		return taken
	}
	if req.ConfigOnly || req.Driver != "overlay" && req.Scope != "swarm" {
		return s.pass(r, body)
	}
	if req.Name == "" {
		return httperr.New(http.StatusInternalServerError, "invalid name: ")
	}
	// A network that carried a cluster network now gone is on its way out.
	var local struct {
		Name   string
		Labels map[string]string
	}
	if s.askEngine(r.Context(), "/networks/"+url.PathEscape(req.Name), nil, &local) == nil && local.Name == req.Name &&
		local.Labels[networkLabel] == "" {
		return taken
	}
	if err := checkNetwork(v, &req); err != nil {
		return err
	}
	row := &model.Network{ID: s.Env.NewID(), Name: req.Name, Spec: model.DocOf(networkSpec(&req))}
	err = r.commit(m, "network", req.Name, store.Batch{Changes: []store.Change{store.Networks.Put(row)}})
	if httperr.Status(err) == http.StatusConflict {
		return taken
	}
	if err != nil {
		return err
	}
	return r.json(http.StatusCreated, network.CreateResponse{ID: row.ID.String()})
}

func checkNetwork(v store.View, req *network.CreateRequest) error {
	if req.Driver == "overlay" && req.Scope != "" && req.Scope != "swarm" {
		return httperr.New(http.StatusForbidden, "cannot downgrade network scope for overlay networks")
	}
	if err := validate.Name(req.Name); err != nil {
		return err
	}
	if req.IPAM != nil {
		for _, c := range req.IPAM.Config {
			if c.Gateway.IsValid() && c.Subnet.IsValid() && !c.Subnet.Contains(c.Gateway) {
				return httperr.BadRequest("ipam configuration: subnet %s does not contain gateway %s", c.Subnet, c.Gateway)
			}
			if c.IPRange.IsValid() && c.Subnet.IsValid() && (!c.Subnet.Contains(c.IPRange.Addr()) || c.IPRange.Bits() < c.Subnet.Bits()) {
				return httperr.BadRequest("ipam configuration: subnet %s does not contain range %s", c.Subnet, c.IPRange)
			}
		}
	}
	switch {
	case req.Driver != "overlay":
		return httperr.NotImplemented("networks of the driver %q for the whole cluster are not supported by this version of skep: only overlay networks are", req.Driver)
	case req.Ingress:
		for n := range store.Networks.All(v) {
			if n.Spec.Get().Ingress {
				return httperr.Conflict("ingress network (%s) is already present", n.ID)
			}
		}
		return httperr.NotImplemented("the routing mesh, and with it an ingress network, is not supported by this version of skep")
	}
	return nil
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
