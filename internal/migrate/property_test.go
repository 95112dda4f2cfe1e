package migrate

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"
	"pgregory.net/rapid"
)

// TestTakenIsAll: whatever the swarm, each of its objects is wanted or spoken of; a cluster that has taken the plan lacks
// nothing; and nothing that is wanted is known by an id.
func TestTakenIsAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from, here := drawSwarm(t), drawHere(t)
		before := inJSON(from)
		want, found := Carry(from)
		if inJSON(from) != before {
			t.Fatal("what was read is another thing now")
		}
		for i := range want.Secrets {
			want.Secrets[i].Data = []byte("known")
		}
		o := Options{Without: []string{Encryption, IPv6}, Update: rapid.Bool().Draw(t, "update")}
		p := Make(want, here, o)
		accounted(t, from, want, append(found, p.Found...))
		if len(p.Problems) > 0 {
			return
		}
		then := taken(p, here)
		again := Make(want, then, o)
		if !again.Empty() || len(again.Problems) > 0 {
			t.Fatalf("there is more to write: %s", written(again, then))
		}
		for _, s := range then.Services {
			for _, r := range s.Spec.TaskTemplate.ContainerSpec.Secrets {
				if then.Secret(r.SecretName) == nil || then.Secret(r.SecretName).ID != r.SecretID {
					t.Fatalf("service %s refers to a secret %+v that is none here", s.Spec.Name, r)
				}
			}
		}
	})
}

// accounted: nothing gets lost without a word.
func accounted(t *rapid.T, from Swarm, want *Wanted, found []Finding) {
	said := func(kind, name string) bool {
		return slices.ContainsFunc(found, func(f Finding) bool { return f.Kind == kind && f.Name == name })
	}
	for _, s := range from.Services {
		if !slices.ContainsFunc(want.Services, func(w swarm.ServiceSpec) bool { return w.Name == s.Spec.Name }) && !said("service", s.Spec.Name) {
			t.Fatalf("service %s is lost without a word", s.Spec.Name)
		}
	}
	for _, n := range from.Networks {
		if !slices.ContainsFunc(want.Networks, func(w network.CreateRequest) bool { return w.Name == n.Name }) && !engines(n) && !said("network", n.Name) {
			t.Fatalf("network %s is lost without a word", n.Name)
		}
	}
	for _, n := range from.Nodes {
		if len(n.Spec.Labels) > 0 && !slices.ContainsFunc(want.Nodes, func(w Node) bool { return w.Hostname == n.Description.Hostname }) && !said("node", n.Description.Hostname) {
			t.Fatalf("node %s is lost without a word", n.Description.Hostname)
		}
	}
	if len(want.Configs) != len(from.Configs) || len(want.Secrets) != len(from.Secrets) {
		t.Fatalf("of %d configs and %d secrets %d and %d are wanted", len(from.Configs), len(from.Secrets), len(want.Configs), len(want.Secrets))
	}
}

func maybe(t *rapid.T, label string) bool { return rapid.Bool().Draw(t, label) }

func drawLabels(t *rapid.T, label string) map[string]string {
	return rapid.MapOfN(rapid.SampledFrom([]string{"a", "b"}), rapid.SampledFrom([]string{"1", "2"}), 0, 2).Draw(t, label)
}

func drawSwarm(t *rapid.T) Swarm {
	var s Swarm
	if maybe(t, "history") {
		s.Cluster.Spec.Orchestration.TaskHistoryRetentionLimit = new(rapid.Int64Range(1, 9).Draw(t, "limit"))
	}
	s.Cluster.Spec.Labels = drawLabels(t, "swarm labels")
	for i := range rapid.IntRange(0, 3).Draw(t, "nodes") {
		n := swarm.Node{ID: fmt.Sprintf("node%d", i)}
		n.Spec.Labels, n.Description.Hostname = drawLabels(t, "node labels"), rapid.SampledFrom([]string{"h1", "h2", "h3"}).Draw(t, "hostname")
		n.Spec.Availability = rapid.SampledFrom([]swarm.NodeAvailability{"active", "drain", "pause"}).Draw(t, "availability")
		s.Nodes = append(s.Nodes, n)
	}
	for i := range rapid.IntRange(0, 4).Draw(t, "networks") {
		s.Networks = append(s.Networks, drawNetwork(t, i))
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "files") {
		a := swarm.Annotations{Name: fmt.Sprintf("f%d", i), Labels: drawLabels(t, "labels")}
		s.Configs = append(s.Configs, swarm.Config{ID: "c-" + a.Name, Spec: swarm.ConfigSpec{Annotations: a, Data: []byte{1}}})
		s.Secrets = append(s.Secrets, swarm.Secret{ID: "s-" + a.Name, Spec: swarm.SecretSpec{Annotations: a}})
	}
	for i := range rapid.IntRange(0, 4).Draw(t, "services") {
		s.Services = append(s.Services, drawService(t, fmt.Sprintf("w%d", i)))
	}
	return s
}

func drawNetwork(t *rapid.T, i int) network.Summary {
	n := network.Network{ID: fmt.Sprintf("net%d", i), Name: fmt.Sprintf("n%d", i), Driver: "overlay", Scope: "swarm",
		Internal: maybe(t, "internal"), Attachable: maybe(t, "attachable"), Ingress: i == 3, Labels: drawLabels(t, "network labels"),
		Options: map[string]string{vxlanOption: "4097"}}
	if maybe(t, "encrypted") {
		n.Options[encryptedOption] = ""
	}
	subnet := fmt.Sprintf("10.%d.0.0/%d", i, rapid.SampledFrom([]int{16, 24}).Draw(t, "bits"))
	n.IPAM.Config = []network.IPAMConfig{{Subnet: netip.MustParsePrefix(subnet), Gateway: netip.AddrFrom4([4]byte{10, byte(i), 0, 1})}}
	return network.Summary{Network: n}
}

func drawService(t *rapid.T, name string) swarm.Service {
	c := &swarm.ContainerSpec{Image: "img"}
	s := swarm.Service{ID: "id-of-" + name}
	s.Spec.Name, s.Spec.Labels = name, drawLabels(t, "service labels")
	s.Spec.TaskTemplate.ContainerSpec = c
	ref := func(prefix string) (id, file string) {
		file = rapid.SampledFrom([]string{"f0", "f1", "f9"}).Draw(t, "file")
		return prefix + file, file
	}
	if maybe(t, "secret") {
		id, file := ref("s-")
		c.Secrets = append(c.Secrets, &swarm.SecretReference{SecretID: id, SecretName: file, File: &swarm.SecretReferenceFileTarget{Name: file}})
	}
	if maybe(t, "config") {
		id, file := ref("c-")
		c.Configs = append(c.Configs, &swarm.ConfigReference{ConfigID: id, ConfigName: file, File: &swarm.ConfigReferenceFileTarget{Name: file}})
	}
	if maybe(t, "network") {
		s.Spec.TaskTemplate.Networks = []swarm.NetworkAttachmentConfig{{Target: rapid.SampledFrom([]string{"net0", "net1", "net2", "host", "gone"}).Draw(t, "target")}}
	}
	if maybe(t, "placed") {
		s.Spec.TaskTemplate.Placement = &swarm.Placement{Constraints: []string{rapid.SampledFrom([]string{"node.id==node0", "node.id != node7", "node.hostname==h1", "node.labels.a==1"}).Draw(t, "constraint")}}
	}
	if maybe(t, "mount") {
		c.Mounts = []mount.Mount{{Type: rapid.SampledFrom([]mount.Type{mount.TypeVolume, mount.TypeBind, mount.TypeCluster}).Draw(t, "type"), Source: "/v", Target: "/t"}}
	}
	switch rapid.IntRange(0, 3).Draw(t, "mode") {
	case 0:
		s.Spec.Mode.Global = &swarm.GlobalService{}
	case 1:
		s.Spec.Mode.ReplicatedJob = &swarm.ReplicatedJob{}
	case 2:
		s.Spec.Mode.Replicated = &swarm.ReplicatedService{Replicas: new(uint64(2))}
	}
	return s
}

// drawHere is a cluster that has something of the same names.
func drawHere(t *rapid.T) Swarm {
	var here Swarm
	for i := range rapid.IntRange(0, 2).Draw(t, "nodes here") {
		n := swarm.Node{ID: fmt.Sprintf("here%d", i)}
		n.Description.Hostname, n.Spec.Labels, n.Spec.Availability = fmt.Sprintf("h%d", i+1), drawLabels(t, "here labels"), swarm.NodeAvailabilityActive
		here.Nodes = append(here.Nodes, n)
	}
	if maybe(t, "config here") {
		here.Configs = []swarm.Config{{ID: "other", Spec: swarm.ConfigSpec{Annotations: swarm.Annotations{Name: "f0", Labels: drawLabels(t, "config labels")}, Data: []byte{1}}}}
	}
	if maybe(t, "service here") {
		s := swarm.Service{ID: "there"}
		s.Spec.Name, s.Spec.TaskTemplate.ContainerSpec = "w0", &swarm.ContainerSpec{Image: rapid.SampledFrom([]string{"img", "another"}).Draw(t, "image")}
		s.Spec = kept(s.Spec, here)
		here.Services = append(here.Services, s)
	}
	return here
}
