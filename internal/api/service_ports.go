package api

import (
	"cmp"
	"fmt"
	"net"
	"reflect"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/api/httperr"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network"
	"github.com/skep-org/skep/internal/store"
)

// checkPorts refuses ports that another service publishes, and a port of the routing mesh where there is none. The
// conditions hold the batch that writes the service to it: of two requests for one port the later is refused.
func checkPorts(v store.View, service *model.Service, spec *swarm.ServiceSpec) ([]store.Condition, error) {
	if spec.EndpointSpec == nil || len(spec.EndpointSpec.Ports) == 0 {
		return nil, nil
	}
	if held := store.FindPortHolder(v, service.ID, spec.EndpointSpec.Ports); held != nil {
		how := "an ingress port"
		if held.Host {
			how = "a host-published port"
		}
		return nil, httperr.BadRequest("port '%d' is already in use by service '%s' (%s) as %s", held.Port, held.Service.Name, held.Service.ID, how)
	}
	if err := clusterPorts(v, spec); err != nil {
		return nil, err
	}
	conditions := []store.Condition{store.Services.PortsFree(service.Key())}
	if len(store.MeshPorts(spec)) == 0 {
		return conditions, nil
	}
	mesh := store.IngressNetwork(v)
	if mesh == nil {
		return nil, httperr.BadRequest("service needs ingress network, but no ingress network is present")
	}
	return append(conditions, store.Networks.Present(mesh.Key())), nil
}

// clusterPorts refuses to publish what nodes speak to each other by: every node would send it to the service's tasks, the
// managers would lose each other, and without them nobody could take it back.
func clusterPorts(v store.View, spec *swarm.ServiceSpec) error {
	own := map[string]string{}
	for m := range store.Members.All(v) {
		if _, port, err := net.SplitHostPort(m.Addr); err == nil {
			own["tcp/"+port] = "the managers are reached by it"
		}
	}
	if c := store.TheCluster(v); c != nil {
		own[fmt.Sprintf("udp/%d", cmp.Or(c.DataPathPort, network.DefaultPort))] = "it carries the overlay networks"
	}
	for _, p := range store.MeshPorts(spec) {
		if why := own[fmt.Sprintf("%s/%d", cmp.Or(string(p.Protocol), "tcp"), p.PublishedPort)]; why != "" {
			return httperr.BadRequest("port '%d' is the cluster's own, %s: publish another one", p.PublishedPort, why)
		}
	}
	return nil
}

// samePorts says whether an update leaves the published ports alone: then nobody is asked about them, so that a service
// can be mended whose ports an automatic rollback brought into conflict.
func samePorts(a, b *swarm.ServiceSpec) bool {
	return reflect.DeepEqual(a.EndpointSpec, b.EndpointSpec)
}
