package dispatcher

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

// TestSecretDrivers runs the script in testdata/secrets.txt: service v1 of revision r7 uses secret d1, which a driver keeps.
// "task ID" makes a task and places it on node n1, "answer TASK [once] [error]" is the driver's answer to what was asked for
// it, "reconnect" opens a new session. Printed is what the driver is asked, and what of secrets the node is told.
func TestSecretDrivers(t *testing.T) {
	s := newScript(t)
	spec := swarm.ServiceSpec{Annotations: swarm.Annotations{Name: "web"}}
	spec.TaskTemplate.ContainerSpec = &swarm.ContainerSpec{Image: "web", Secrets: []*swarm.SecretReference{nil, {SecretID: id("d1").String()}}}
	s.write(t, store.WriterAPI,
		store.NodeSpecs.Put(&model.NodeSpec{ID: id("n1")}),
		store.Secrets.Put(&model.Secret{ID: id("d1"), Name: "key", Spec: model.DocOf(swarm.SecretSpec{Driver: &swarm.Driver{Name: "vault"}, Templating: &swarm.Driver{Name: "golang"}})}),
		store.Revisions.Put(&model.ServiceRevision{ID: id("r7"), ServiceID: id("v1"), Spec: model.DocOf(spec)}),
	)
	asked := map[string]SecretAsk{}
	var session SessionID
	nonce := uint64(0)
	settle := func() string {
		var b strings.Builder
		for range 4 {
			out, _, err := s.m.Step(s.now)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range out {
				a := e.Msg.GetAssignments()
				if a == nil {
					continue
				}
				for _, k := range a.Secrets {
					to := "all"
					if len(k.TaskId) > 0 {
						to = label(k.TaskId)
					}
					fmt.Fprintf(&b, "told of %s for %s: %q %s pending=%v err=%q\n", label(k.Id), to, k.Data, k.Template, k.Pending, k.Err)
				}
			}
			for _, a := range s.m.Asks() {
				asked[label(a.Task[:])] = a
				fmt.Fprintf(&b, "asked %s for secret %s, task %s of %s\n", a.Driver.Name, a.Name, label(a.Task[:]), a.Service.Name)
			}
		}
		return b.String()
	}
	datadriven.RunTest(t, "testdata/secrets.txt", func(t *testing.T, d *datadriven.TestData) string {
		switch d.Cmd {
		case "connect":
			if session != 0 {
				s.m.Closed(s.now, session)
			}
			nonce++
			session = s.m.Open(id("n1"), "192.0.2.1")
			s.m.Deliver(s.now, session, wire.FromHello(&wire.Hello{NodeId: wire.Bytes(id("n1")), Description: []byte(`{}`), Nonce: nonce}))
		case "task":
			task := id(d.CmdArgs[0].Key)
			s.write(t, store.WriterOrchestrator, store.Tasks.Put(&model.Task{ID: task, ServiceID: id("v1"), Revision: id("r7"), Slot: 1, Desired: model.StateRunning}))
			s.write(t, store.WriterAllocator, store.Allocations.Put(&model.Allocation{Owner: task, Kind: model.AllocTask, Done: true}))
			s.write(t, store.WriterScheduler, store.Placements.Put(&model.Placement{TaskID: task, NodeID: id("n1")}))
		case "running":
			s.m.Deliver(s.now, session, wire.FromStatuses(&wire.StatusBatch{Seq: 1, Statuses: []*wire.TaskStatus{{TaskId: wire.Bytes(id(d.CmdArgs[0].Key)), State: uint32(model.StateRunning)}}}))
		case "answer":
			ask := asked[d.CmdArgs[0].Key]
			a := SecretAnswer{Value: []byte(d.Input), DoNotReuse: d.HasArg("once")}
			if d.HasArg("error") {
				a = SecretAnswer{Err: errors.New(d.Input)}
			}
			s.m.Provided(ask, a)
		default:
			d.Fatalf(t, "unknown command")
		}
		return settle()
	})
}
