package volumes

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/api/types/volume"
	"github.com/skep-org/skep/internal/manager/stagetest"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// TestScripts runs testdata/*.txt. Each command is followed by the volumes as they are then:
//
//	volume NAME [multi], removing NAME, force NAME
//	node NAME [down|gone|without]        a node; without: it has no driver
//	task TASK NODE VOLUME, stop TASK, end TASK
//	call VOLUME [fail] [attaches]        the first call that is due is made
//	released NODE VOLUME round=N         what the node's agent says
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := &script{t: t, w: stagetest.New(t), names: map[model.ID]string{}}
		s.w.Add(New())
		s.w.Add(NewReaper())
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s.do(t, d)
			s.w.Settle()
			return s.print()
		})
	})
}

type script struct {
	t     *testing.T
	w     *stagetest.World
	names map[model.ID]string
}

func (s *script) id(name string) (id model.ID) {
	copy(id[:], name)
	s.names[id] = name
	return id
}

func (s *script) do(t *testing.T, d *datadriven.TestData) {
	arg := func(i int) string { return d.CmdArgs[i].Key }
	id := s.id(arg(0))
	switch d.Cmd {
	case "volume":
		spec := volume.CreateRequest{Name: arg(0), Driver: "d", ClusterVolumeSpec: &volume.ClusterVolumeSpec{AccessMode: &volume.AccessMode{Scope: volume.ScopeSingleNode}}}
		if d.HasArg("multi") {
			spec.ClusterVolumeSpec.AccessMode.Scope = volume.ScopeMultiNode
		}
		s.w.Write(store.WriterAPI, store.Volumes.Put(&model.Volume{ID: id, Name: arg(0), Spec: model.DocOf(spec)}))
	case "removing":
		row := *store.Volumes.ByID(s.w.View(), id)
		row.Removing = true
		s.w.Write(store.WriterAPI, store.Volumes.Put(&row))
	case "force":
		s.w.Write(store.WriterAPI, store.Volumes.Delete(model.KeyOf(id)))
	case "node":
		s.node(id, d)
	case "task":
		s.w.Write(store.WriterOrchestrator, store.Tasks.Put(&model.Task{ID: id, Desired: model.StateRunning}))
		s.w.Write(store.WriterScheduler, store.Placements.Put(&model.Placement{TaskID: id, NodeID: s.id(arg(1)),
			Volumes: &model.PlacedVolumes{List: []model.PlacedVolume{{VolumeID: s.id(arg(2))}}}}))
	case "stop":
		row := *store.Tasks.ByID(s.w.View(), id)
		row.Desired = model.StateShutdown
		s.w.Write(store.WriterOrchestrator, store.Tasks.Put(&row))
	case "end":
		s.w.Write(store.WriterDispatcher, store.Statuses.Put(&model.TaskStatus{TaskID: id, State: model.StateShutdown}))
	case "call":
		due := Due(s.w.View(), id)
		if len(due) == 0 {
			t.Fatalf("%s: nothing is due of %s", d.Pos, arg(0))
		}
		o := Outcome{Handle: "h-" + arg(0), Attaches: d.HasArg("attaches"), Published: map[string]string{"at": s.names[due[0].Node.NodeID]}}
		if d.HasArg("fail") {
			o = Outcome{Err: errors.New("it is broken")}
		}
		if next := Apply(store.VolumeStates.ByID(s.w.View(), id), due[0], o); next != nil {
			s.w.Write(store.WriterVolumes, store.VolumeStates.Put(next))
		}
	case "released":
		var round uint64
		d.ScanArgs(t, "round", &round)
		s.w.Write(store.WriterDispatcher, store.NodeVolumes.Put(&model.NodeVolumes{NodeID: id, List: []model.NodeVolume{{VolumeID: s.id(arg(1)), Round: round, Released: true}}}))
	default:
		d.Fatalf(t, "unknown command")
	}
}

func (s *script) node(id model.ID, d *datadriven.TestData) {
	if d.HasArg("gone") {
		s.w.Write(store.WriterAPI, store.NodeSpecs.Delete(model.KeyOf(id)))
		return
	}
	desc := swarm.NodeDescription{CSIInfo: []swarm.NodeCSIInfo{{PluginName: "d", NodeID: "node-" + s.names[id]}}}
	row := &model.NodeState{ID: id, State: model.ReachReady, Since: s.w.Now().UnixNano()}
	if d.HasArg("down") {
		row.State = model.ReachDown
	}
	if d.HasArg("without") {
		desc.CSIInfo = nil
	}
	row.Description = model.DocOf(desc)
	s.w.Write(store.WriterAPI, store.NodeSpecs.Put(&model.NodeSpec{ID: id}))
	s.w.Write(store.WriterDispatcher, store.NodeStates.Put(row))
}

func (s *script) print() string {
	var b strings.Builder
	v := s.w.View()
	for st := range store.VolumeStates.All(v) {
		fmt.Fprintf(&b, "%s: handle=%q err=%q\n", s.names[st.VolumeID], st.Handle, st.Err)
		for _, n := range st.Nodes {
			fmt.Fprintf(&b, "  on %s: %s round %d as %s %v %s\n", s.names[n.NodeID], n.Phase.Docker(), n.Round, n.Handle, n.Context, n.Err)
		}
		for _, c := range Due(v, st.VolumeID) {
			fmt.Fprintf(&b, "  due: %s %s\n", c.Kind, s.names[c.Node.NodeID])
		}
	}
	if b.Len() == 0 {
		return "none\n"
	}
	return b.String()
}
