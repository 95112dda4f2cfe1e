package agent

import (
	"net/netip"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/wire"
)

// TestIngress: a task with an address on the ingress network is attached to it, though no spec names it; of its ports
// those that the executor publishes are the node's own.
func TestIngress(t *testing.T) {
	front, ingress, other := model.NumID(31), model.NumID(32), model.NumID(33)
	spec := swarm.ServiceSpec{Annotations: swarm.Annotations{Name: "web"}}
	spec.TaskTemplate.ContainerSpec = &swarm.ContainerSpec{Image: "web"}
	spec.TaskTemplate.Networks = []swarm.NetworkAttachmentConfig{{Target: front.String(), Aliases: []string{"www"}}}
	spec.EndpointSpec = &swarm.EndpointSpec{Ports: []swarm.PortConfig{
		{TargetPort: 80, PublishedPort: 8080, PublishMode: swarm.PortConfigPublishModeIngress},
		{TargetPort: 81, PublishedPort: 8081, PublishMode: swarm.PortConfigPublishModeHost},
	}}
	m, err := New(Options{NodeID: node}, nil)
	if err != nil {
		t.Fatal(err)
	}
	addr := func(s string) []byte { b, _ := netip.MustParsePrefix(s).MarshalBinary(); return b }
	network := func(id model.ID, name string, spec swarm.NetworkSpec) *wire.Network {
		return &wire.Network{Id: wire.Bytes(id), Name: name, Spec: model.DocOf(spec).Raw(), Subnet: addr("10.0.0.0/24"), Vni: 4097}
	}
	set := &wire.Assignments{
		Full: true, Epoch: 1, Version: 1,
		Revisions: []*wire.Revision{{Id: wire.Bytes(model.NumID(100)), Spec: model.DocOf(spec).Raw()}},
		Networks: []*wire.Network{
			network(front, "front", swarm.NetworkSpec{}), network(ingress, "ingress", swarm.NetworkSpec{Ingress: true}),
			network(other, "other", swarm.NetworkSpec{Ingress: true}),
		},
		Tasks: []*wire.Task{{Id: wire.Bytes(taskID("t1")), RevisionId: wire.Bytes(model.NumID(100)), Slot: 1,
			Generic: []byte(`[{"DiscreteResourceSpec":{"Kind":"ssd","Value":2}}]`), Networks: []*wire.Attachment{
				{NetworkId: wire.Bytes(front), Addr: addr("10.0.1.5/24")}, {NetworkId: wire.Bytes(ingress), Addr: addr("10.255.0.5/16")},
			}}},
	}
	if err := m.assign(time.Unix(1, 0), set); err != nil {
		t.Fatal(err)
	}
	e, err := m.build(m.tasks[taskID("t1")])
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Networks) != 2 || e.Networks[0].Name != "front" || e.Networks[0].Addr != "10.0.1.5/24" {
		t.Fatalf("the task is on %+v", e.Networks)
	}
	if n := e.Networks[1]; n.ID != ingress || n.Name != "ingress" || n.Addr != "10.255.0.5/16" || !n.Spec.Ingress || len(n.Aliases) != 0 {
		t.Errorf("the ingress network is %+v", n)
	}
	if len(e.Ports) != 1 || e.Ports[0].PublishedPort != 8081 {
		t.Errorf("the ports on the node are %+v", e.Ports)
	}
	if len(e.Generic) != 1 || *e.Generic[0].DiscreteResourceSpec != (swarm.DiscreteGenericResource{Kind: "ssd", Value: 2}) {
		t.Errorf("the generic resources are %+v", e.Generic)
	}
}
