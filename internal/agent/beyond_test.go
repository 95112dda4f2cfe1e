package agent

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/model/privilege"
	"github.com/skep-org/skep/internal/wire"
)

// TestPolicy: a node makes no container with more than the cluster's policy allows, whatever a manager has assigned.
func TestPolicy(t *testing.T) {
	spec := swarm.ServiceSpec{Annotations: swarm.Annotations{Name: "web", Labels: map[string]string{"skep.privileged": "true", "tier": "front"}}}
	spec.TaskTemplate.ContainerSpec = &swarm.ContainerSpec{Image: "web"}
	m, err := New(Options{NodeID: node}, nil)
	if err != nil {
		t.Fatal(err)
	}
	set := &wire.Assignments{
		Full: true, Epoch: 1, Version: 1,
		Revisions: []*wire.Revision{{Id: wire.Bytes(model.NumID(100)), Spec: model.DocOf(spec).Raw()}},
		Tasks:     []*wire.Task{{Id: wire.Bytes(taskID("t1")), RevisionId: wire.Bytes(model.NumID(100)), Slot: 1}},
	}
	for version, step := range []struct {
		policy  privilege.Policy
		defined bool // the message says something of the policy
		refused bool
	}{
		{nil, true, true},
		{privilege.Policy{privilege.Privileged: {"db"}, privilege.Devices: {"*"}}, true, true},
		{privilege.Policy{privilege.Privileged: {"w*"}}, true, false},
		{nil, false, false}, // as before
		{nil, true, true},
	} {
		set.Version = uint64(version + 1)
		set.Defaults = nil
		if step.defined {
			set.Defaults = &wire.Defaults{}
			if step.policy != nil {
				set.Defaults.Policy, _ = json.Marshal(step.policy)
			}
		}
		if err := m.assign(time.Unix(1, 0), set); err != nil {
			t.Fatal(err)
		}
		e, err := m.build(m.tasks[taskID("t1")])
		switch {
		case step.refused && (err == nil || !strings.Contains(err.Error(), `policy "privileged" does not allow service web`)):
			t.Errorf("step %d: %v, want it refused by the policy's name", version, err)
		case !step.refused && (err != nil || !e.Beyond.Privileged):
			t.Errorf("step %d: %+v, %v: want it privileged", version, e, err)
		}
	}
}
