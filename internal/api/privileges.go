package api

import (
	"errors"
	"net/http"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/api/httperr"
	"github.com/skep-org/skep/internal/model/privilege"
	"github.com/skep-org/skep/internal/store"
)

// checkPrivileges refuses what a service's labels ask for beyond Docker's specs and the cluster's policy does not allow.
// The condition holds the batch that writes the service to the policy it was checked by.
func checkPrivileges(v store.View, spec *swarm.ServiceSpec) ([]store.Condition, error) {
	asked, err := privilege.Parse(spec.Labels)
	if err != nil {
		return nil, httperr.BadRequest("%s", err)
	}
	if !asked.Any() {
		return nil, nil
	}
	if err := checkHostIPs(spec, asked); err != nil {
		return nil, err
	}
	cluster := store.TheCluster(v)
	if cluster == nil {
		return nil, httperr.NotFound("swarm not found")
	}
	var refused *privilege.RefusedError
	if err := cluster.Privileges.Check(spec.Name, asked); errors.As(err, &refused) {
		return nil, httperr.New(http.StatusForbidden, "%s", refused)
	}
	return []store.Condition{store.Clusters.At(cluster)}, nil
}

// checkHostIPs refuses an address for a port that cannot be published on one address alone.
func checkHostIPs(spec *swarm.ServiceSpec, asked *privilege.Settings) error {
	for port := range asked.HostIPs {
		if !publishesOnNode(spec, port) {
			return httperr.BadRequest("label skep.publish.%s.host-ip: the service publishes no such port in host mode: a port of the routing mesh is every node's", port)
		}
	}
	if len(asked.HostIPs) > 0 && len(store.MeshPorts(spec)) > 0 {
		return httperr.NotImplemented("a service with ports of the routing mesh cannot publish others on one address of the nodes alone: skep publishes all its ports itself, on all addresses. Publish all of them in host mode, or leave the labels skep.publish.*.host-ip out")
	}
	return nil
}

func publishesOnNode(spec *swarm.ServiceSpec, port privilege.Port) bool {
	if spec.EndpointSpec == nil {
		return false
	}
	for _, p := range spec.EndpointSpec.Ports {
		if p.PublishMode == swarm.PortConfigPublishModeHost && p.PublishedPort == port.Published && (port.Protocol == "" || port.Protocol == string(p.Protocol)) {
			return true
		}
	}
	return false
}
