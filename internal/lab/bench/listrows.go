package bench

import (
	"fmt"
	"strings"

	"github.com/moby/moby/api/types/swarm"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/store/fill"
)

// fillLists writes what is listed, and returns the manager's node.
func fillLists(st *store.Store) (model.ID, error) {
	e := env.Seeded(1, env.Real().Clock)
	if err := found(st, e.NewID()); err != nil {
		return model.ID{}, err
	}
	f := fill.New(st, e.NewID)
	nodes := make([]model.ID, listNodes)
	for i := range nodes {
		d := fill.Description(i)
		// As long as a root certificate and what goes with it.
		d.TLSInfo = swarm.TLSInfo{TrustRoot: "-----BEGIN CERTIFICATE-----\n" + strings.Repeat(strings.Repeat("A", 64)+"\n", 8) + "-----END CERTIFICATE-----\n",
			CertIssuerSubject: make([]byte, 21), CertIssuerPublicKey: make([]byte, 91)}
		nodes[i] = f.Node(i, d)
	}
	for i := range listServices {
		svc := f.Service(webService(fmt.Sprintf("web-%d", i), listTasks))
		for slot := range listTasks {
			f.Running(svc, uint64(slot+1), nodes[(i*listTasks+slot)%listNodes])
		}
	}
	for name, on := range map[string]int{wide: listNodes, dense: listFew} {
		svc := f.Service(webService(name, listLarge))
		for slot := range listLarge {
			f.Running(svc, uint64(slot+1), nodes[slot%on])
		}
	}
	if err := f.Flush(); err != nil {
		return model.ID{}, err
	}
	first := nodes[0]
	members := &store.Batch{Writer: store.WriterRaft, Changes: []store.Change{store.Members.Put(&model.Member{RaftID: 1, NodeID: first, Addr: "192.0.2.1:2377"})}}
	index := st.View().Index() + 1
	return first, st.Apply(index, store.Entry{Time: int64(index), Batch: members})
}

// found writes the cluster's own row.
func found(st *store.Store, id model.ID) error {
	var spec swarm.Spec
	spec.Name = "default"
	return st.Apply(1, store.Entry{Time: 1, Batch: &store.Batch{Writer: store.WriterInit, Changes: []store.Change{
		store.Clusters.Put(&model.Cluster{ID: id, Spec: model.DocOf(spec)}),
	}}})
}

// webService is a service as `docker service create` asks for it.
func webService(name string, replicas uint64) (spec swarm.ServiceSpec) {
	spec.Name = name
	spec.Labels = map[string]string{"com.example.team": "shop"}
	spec.TaskTemplate.ContainerSpec = &swarm.ContainerSpec{Image: "registry.example.org/shop/web:1.27", Env: []string{"MODE=production", "PORT=8080"},
		DNSConfig: &swarm.DNSConfig{}, Isolation: "default"}
	spec.TaskTemplate.Resources = &swarm.ResourceRequirements{Limits: &swarm.Limit{}, Reservations: &swarm.Resources{NanoCPUs: 1e7, MemoryBytes: 32 << 20}}
	spec.TaskTemplate.Placement = &swarm.Placement{}
	spec.Mode.Replicated = &swarm.ReplicatedService{Replicas: &replicas}
	spec.EndpointSpec = &swarm.EndpointSpec{Mode: swarm.ResolutionModeVIP}
	return spec
}
