package api

import (
	"net/http"
	"net/netip"
	"strings"

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
	var asked askedNetwork
	if err := decode.JSON(body, &asked); err != nil {
		return inDockersWords(err)
	}
	if !s.clustered() {
		return s.createOnWorker(r, asked, body)
	}
	v, m, err := r.view()
	if err != nil {
		return err
	}
	switch named := store.NetworkNamed(v, asked.Name); {
	case named != nil && named.Name == asked.Name:
		return httperr.Conflict("network with name %s already exists", asked.Name)
	case named != nil && asked.cluster(): // names of the cluster's objects that differ in case only are the same
		return httperr.New(http.StatusInternalServerError, "name conflicts with an existing object")
	}
	if !asked.cluster() {
		return s.pass(r, body)
	}
	req, err := asked.typed(body)
	if err != nil {
		return err
	}
	return s.createNetwork(r, v, m, req)
}

func (s *Server) createNetwork(r *request, v store.View, m Manager, req *network.CreateRequest) error {
	if req.Name == "" {
		return httperr.New(http.StatusInternalServerError, "invalid name: ")
	}
	taken := httperr.Conflict("network with name %s already exists", req.Name)
	// A network that carried a cluster network now gone is on its way out.
	if local := s.localNetwork(r.Context(), req.Name); local != nil && local.Name == req.Name && local.Labels[networkLabel] == "" {
		return taken
	}
	if err := validate.Network(req); err != nil {
		return err
	}
	if req.Ingress && store.IngressNetwork(v) != nil {
		return ingressThere(v)
	}
	if err := s.checkIngressSubnet(req); err != nil {
		return err
	}
	encryptAsWanted(v, req)
	row := &model.Network{ID: s.Env.NewID(), Name: req.Name, Spec: model.DocOf(networkSpec(req))}
	err := r.commit(m, "network", req.Name, store.Batch{Changes: []store.Change{store.Networks.Put(row)}})
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

// askedNetwork is what tells whose a new network is. What is the engine's is not read any further.
type askedNetwork struct {
	Name, Driver, Scope string
	ConfigOnly          bool
	IPAM                struct {
		Config []struct{ Subnet, IPRange, Gateway string }
	}
}

// cluster tells the cluster's networks from the engine's. Those that only hold settings for others are each node's own.
func (a askedNetwork) cluster() bool {
	return !a.ConfigOnly && (a.Driver == "overlay" || a.Scope == "swarm")
}

// typed reads the rest. Addresses that are none are told in Docker's words.
func (a askedNetwork) typed(body []byte) (*network.CreateRequest, error) {
	for _, c := range a.IPAM.Config {
		if _, err := netip.ParsePrefix(c.Subnet); err != nil && c.Subnet != "" {
			return nil, httperr.New(http.StatusInternalServerError, "Invalid subnet %s : invalid CIDR address: %s", c.Subnet, c.Subnet)
		}
		if _, err := netip.ParsePrefix(c.IPRange); err != nil && c.IPRange != "" {
			return nil, httperr.BadRequest("ipam configuration: invalid range %s", c.IPRange)
		}
		if _, err := netip.ParseAddr(c.Gateway); err != nil && c.Gateway != "" {
			return nil, httperr.BadRequest("ipam configuration: invalid gateway %s", c.Gateway)
		}
	}
	req := &network.CreateRequest{}
	return req, inDockersWords(decode.JSON(body, req))
}

// inDockersWords puts Docker's name of a request in the place of ours.
func inDockersWords(err error) error {
	if err == nil {
		return nil
	}
	return httperr.New(httperr.Status(err), "%s", strings.NewReplacer("api.askedNetwork", "types.NetworkCreateRequest",
		"field askedNetwork.", "field NetworkCreateRequest.", "field CreateRequest.", "field NetworkCreateRequest.").Replace(err.Error()))
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
