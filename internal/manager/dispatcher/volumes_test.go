package dispatcher

import (
	"fmt"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/api/types/volume"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

// TestVolumes: a node is told of the volumes that were published to it, with the secrets for their driver, all of them whenever
// one changes and of no others; what it says of them is written once, and goes with the node.
func TestVolumes(t *testing.T) {
	s := newScript(t)
	spec := volume.CreateRequest{Name: "data", Driver: "d", ClusterVolumeSpec: &volume.ClusterVolumeSpec{
		AccessMode: &volume.AccessMode{Scope: volume.ScopeSingleNode}, Secrets: []volume.Secret{{Key: "password", Secret: id("s1").String()}}}}
	s.write(t, store.WriterAPI,
		store.NodeSpecs.Put(&model.NodeSpec{ID: id("n1")}), store.NodeSpecs.Put(&model.NodeSpec{ID: id("n2")}),
		store.Volumes.Put(&model.Volume{ID: id("v1"), Name: "data", Spec: model.DocOf(spec)}))
	session := s.m.Open(id("n1"), "192.0.2.1")
	s.m.Deliver(s.now, session, wire.FromHello(&wire.Hello{NodeId: wire.Bytes(id("n1")), Description: model.DocOf(swarm.NodeDescription{}).Raw(), Nonce: 1}))
	settle := func() string {
		var b strings.Builder
		for range 4 {
			out, _, err := s.m.Step(s.now)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range out {
				if a := e.Msg.GetAssignments(); a.GetVolumes() != nil {
					fmt.Fprintf(&b, "told of %d:", len(a.Volumes.Orders))
					for _, o := range a.Volumes.Orders {
						fmt.Fprintf(&b, " %s round %d release=%v %s %s %v %v", o.Name, o.Round, o.Release, o.Driver, o.Handle, o.PublishContext, o.Secrets)
					}
					b.WriteString("\n")
				}
			}
		}
		return b.String()
	}
	phase := func(node string, p model.VolumePhase) {
		s.write(t, store.WriterVolumes, store.VolumeStates.Put(&model.VolumeState{VolumeID: id("v1"), Handle: "h", Nodes: []model.VolumeNode{
			{NodeID: id(node), Phase: p, Round: 3, Context: map[string]string{"at": node}}}}))
	}
	expect := func(what, want string) {
		t.Helper()
		if got := settle(); got != want {
			t.Errorf("%s:\n%swant\n%s", what, got, want)
		}
	}
	expect("at first", "told of 0:\n")
	phase("n1", model.VolumePending)
	expect("pending", "told of 0:\n")
	phase("n1", model.VolumePublished)
	expect("published", "told of 1: data round 3 release=false d h map[at:n1] map[password:hush]\n")
	expect("nothing happened", "")
	phase("n1", model.VolumeNodeUnpublish)
	expect("to be released", "told of 1: data round 3 release=true d h map[at:n1] map[password:hush]\n")

	report := wire.FromVolumes(&wire.VolumeReports{Reports: []*wire.VolumeReport{{Id: wire.Bytes(id("v1")), Round: 3, Released: true, Err: "x"}}})
	s.m.Deliver(s.now, session, report)
	settle()
	row := store.NodeVolumes.ByID(s.store.View(), id("n1"))
	if row == nil || len(row.List) != 1 || row.List[0] != (model.NodeVolume{VolumeID: id("v1"), Round: 3, Released: true, Err: "x"}) {
		t.Fatalf("written is %+v", row)
	}
	s.m.Deliver(s.now, session, report)
	settle()
	if again := store.NodeVolumes.ByID(s.store.View(), id("n1")); again.Index != row.Index {
		t.Error("the same report was written twice")
	}
	phase("n2", model.VolumePublished)
	expect("it is another node's", "told of 0:\n")
	s.write(t, store.WriterAPI, store.NodeSpecs.Delete(model.KeyOf(id("n1"))))
	settle()
	if row := store.NodeVolumes.ByID(s.store.View(), id("n1")); row != nil {
		t.Errorf("of a node that is gone there is %+v", row)
	}
}
