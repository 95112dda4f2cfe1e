package api

import (
	"context"
	"strconv"
	"strings"
	"testing"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// TestUpdateWhileAnotherIsTakenUp: the orchestrator takes up what was asked a moment after it was acknowledged. Who asks
// for the next thing in that moment, with the version that is the service's before and after, is not out of sequence.
func TestUpdateWhileAnotherIsTakenUp(t *testing.T) {
	w := newWorld(t)
	request := func(input, status string) {
		t.Helper()
		if answer := w.request(input); !strings.HasPrefix(answer, status) {
			t.Fatalf("got %s, want %s", answer, status)
		}
	}
	request("POST /swarm/init\n{\"ListenAddr\":\"0.0.0.0:2377\"}", "200")
	spec := `{"Name":"web","TaskTemplate":{"ContainerSpec":{"Image":"a:1"}},"Mode":{"Replicated":{"Replicas":1}}}`
	request("POST /services/create\n"+spec, "201")
	m := w.cluster.manager
	for svc := range store.Services.All(m.Store.View()) {
		take := func(r model.Rollout) {
			r.ServiceID = svc.ID
			_, err := m.Direct.Commit(&store.Batch{Writer: store.WriterOrchestrator, Changes: []store.Change{store.Rollouts.Put(&r)}}).Wait(context.Background())
			if err != nil {
				t.Fatal(err)
			}
		}
		before := model.NumID(1)
		take(model.Rollout{Asked: before, Active: before})
		m.before = func() { // between the request's look and its write
			m.before = nil
			take(model.Rollout{Asked: svc.Revision, AskedIndex: svc.Index, Active: svc.Revision, Previous: before})
		}
		update := "POST /services/web/update?version=" + strconv.FormatUint(svc.Index, 10) + "\n" + spec
		request(update, "200")
		if m.before != nil {
			t.Error("nothing was written")
		}
		request(update, "500") // now it is
	}
}
