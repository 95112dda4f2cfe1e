package events

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/api/filters"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func direct() store.Direct {
	return store.Direct{Store: store.New(), Now: func() time.Time { return time.Unix(5, 7) }}
}

func commit(t *testing.T, d store.Direct, w store.Writer, changes ...store.Change) {
	t.Helper()
	if _, err := d.Commit(&store.Batch{Writer: w, Changes: changes}).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func revision(id byte, image string, replicas uint64) *model.ServiceRevision {
	spec := swarm.ServiceSpec{Mode: swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &replicas}}}
	spec.TaskTemplate.ContainerSpec = &swarm.ContainerSpec{Image: image}
	return &model.ServiceRevision{ID: model.ID{id}, ServiceID: model.ID{1}, Spec: model.DocOf(spec)}
}

// TestLife follows a service, a node and a secret through their changes.
func TestLife(t *testing.T) {
	d := direct()
	describe := func(change store.Change, w store.Writer) string {
		t.Helper()
		after := d.Store.View().Index()
		commit(t, d, w, change)
		changes, v, _ := d.Store.Events(after)
		var out strings.Builder
		for _, c := range changes {
			for _, m := range Convert(v, c) {
				attributes, _ := json.Marshal(m.Actor.Attributes)
				fmt.Fprintf(&out, "%s %s %s %s %d", m.Type, m.Action, attributes, m.Scope, m.TimeNano)
			}
		}
		return out.String()
	}
	commit(t, d, store.WriterAPI, store.Revisions.Put(revision(2, "a:1", 1)), store.Revisions.Put(revision(3, "a:2", 4)))
	web := func(rev byte) *model.Service {
		return &model.Service{ID: model.ID{1}, Name: "web", Revision: model.ID{rev}}
	}
	rollout := func(s model.RolloutState) *model.Rollout {
		return &model.Rollout{ServiceID: model.ID{1}, Active: model.ID{3}, State: s}
	}
	rollback := func(asked byte, index uint64, s model.RolloutState) *model.Rollout {
		return &model.Rollout{ServiceID: model.ID{1}, Asked: model.ID{asked}, AskedIndex: index, Active: model.ID{3}, State: s}
	}
	back := web(2)
	back.Rollback = true
	identity := func(r model.Role) *model.NodeIdentity { return &model.NodeIdentity{ID: model.ID{9}, Role: r} }
	net := &model.Network{ID: model.ID{6}, Name: "net"}
	allocation := func(id byte, k model.AllocKind, done bool, ports ...swarm.PortConfig) *model.Allocation {
		return &model.Allocation{Owner: model.ID{id}, Kind: k, Done: done, Ports: ports}
	}
	node := func(a swarm.NodeAvailability) *model.NodeSpec {
		return &model.NodeSpec{ID: model.ID{9}, Spec: model.DocOf(swarm.NodeSpec{Availability: a})}
	}
	state := func(r model.Reach) *model.NodeState {
		return &model.NodeState{ID: model.ID{9}, State: r, Description: model.DocOf(swarm.NodeDescription{Hostname: "one"})}
	}
	const at = " swarm 5000000007"
	for i, tc := range []struct {
		change store.Change
		writer store.Writer
		want   string
	}{
		{store.Services.Put(web(2)), store.WriterAPI, `service create {"name":"web"}` + at},
		{store.Services.Put(web(3)), store.WriterAPI, `service update {"image.new":"a:2","image.old":"a:1","name":"web","replicas.new":"4","replicas.old":"1"}` + at},
		{store.Rollouts.Put(rollout(model.RolloutUpdating)), store.WriterOrchestrator, `service update {"name":"web","updatestate.new":"updating"}` + at},
		{store.Rollouts.Put(rollout(model.RolloutUpdating)), store.WriterOrchestrator, ``},
		{store.Rollouts.Put(rollout(model.RolloutCompleted)), store.WriterOrchestrator, `service update {"name":"web","updatestate.new":"completed","updatestate.old":"updating"}` + at},
		{store.Rollouts.Put(rollback(3, 5, model.RolloutUpdating)), store.WriterOrchestrator, `service update {"name":"web","updatestate.new":"updating"}` + at},
		{store.Services.Put(back), store.WriterAPI, ``},
		{store.Rollouts.Put(rollback(2, 6, model.RolloutRollbackStarted)), store.WriterOrchestrator, `service update {"image.new":"a:1","image.old":"a:2","name":"web","replicas.new":"1","replicas.old":"4","updatestate.new":"rollback_started","updatestate.old":"updating"}` + at},
		{store.Rollouts.Put(rollback(2, 6, model.RolloutRollbackCompleted)), store.WriterOrchestrator, `service update {"name":"web","updatestate.new":"rollback_completed","updatestate.old":"rollback_started"}` + at},
		{store.Allocations.Put(allocation(1, model.AllocService, true)), store.WriterAllocator, ``},
		{store.Allocations.Put(allocation(1, model.AllocService, true, swarm.PortConfig{PublishedPort: 80})), store.WriterAllocator, `service update {"name":"web"}` + at},
		{store.Allocations.Put(allocation(1, model.AllocService, true, swarm.PortConfig{PublishedPort: 80})), store.WriterAllocator, ``},
		{store.Networks.Put(net), store.WriterAPI, `network create {"name":"net"}` + at},
		{store.Allocations.Put(allocation(6, model.AllocNetwork, false)), store.WriterAllocator, ``},
		{store.Allocations.Put(allocation(6, model.AllocNetwork, true)), store.WriterAllocator, `network update {"name":"net"}` + at},
		{store.Networks.Delete(model.KeyOf(model.ID{6})), store.WriterAPI, `network remove {"name":"net"}` + at},
		{store.Services.Delete(model.KeyOf(model.ID{1})), store.WriterAPI, `service remove {"name":"web"}` + at},
		{store.Rollouts.Delete(model.KeyOf(model.ID{1})), store.WriterOrchestrator, ``},
		{store.NodeStates.Put(state(model.ReachReady)), store.WriterDispatcher, `node update {"name":"one","state.new":"ready","state.old":"unknown"}` + at},
		{store.NodeSpecs.Put(node("active")), store.WriterAPI, `node create {"name":"one"}` + at},
		{store.NodeSpecs.Put(node("drain")), store.WriterAPI, `node update {"availability.new":"drain","availability.old":"active","name":"one"}` + at},
		{store.NodeIdentities.Put(identity(model.RoleWorker)), store.WriterIdentity, ``},
		{store.NodeIdentities.Put(identity(model.RoleManager)), store.WriterIdentity, `node update {"name":"one","role.new":"manager","role.old":"worker"}` + at},
		{store.Secrets.Put(&model.Secret{ID: model.ID{4}, Name: "s"}), store.WriterAPI, `secret create {"name":"s"}` + at},
		{store.Secrets.Delete(model.KeyOf(model.ID{4})), store.WriterAPI, `secret remove {"name":"s"}` + at},
	} {
		if got := describe(tc.change, tc.writer); got != tc.want {
			t.Errorf("%d: got  %s\nwant %s", i, got, tc.want)
		}
	}
}

func TestRingFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, ring := direct(), NewRing()
		commit(t, d, store.WriterAPI, store.Secrets.Put(&model.Secret{ID: model.ID{1}, Name: "before"}))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- ring.Follow(ctx, d.Store) }()
		synctest.Wait()
		_, next, more := ring.From(0)
		for i := range 3 {
			commit(t, d, store.WriterAPI, store.Secrets.Put(&model.Secret{ID: model.ID{2, byte(i)}, Name: fmt.Sprint(i)}))
		}
		synctest.Wait()
		select {
		case <-more:
		default:
			t.Error("a waiting listener was not told")
		}
		got, _, _ := ring.From(next)
		if len(got) != 3 || got[2].Actor.Attributes["name"] != "2" {
			t.Errorf("%v", got)
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func TestRingIsBounded(t *testing.T) {
	ring := NewRing()
	for i := range 3 * size {
		ring.add([]events.Message{{TimeNano: int64(i)}})
	}
	got, next, _ := ring.From(0)
	if len(got) < size || len(got) >= 2*size || got[0].TimeNano != 3*size-int64(len(got)) || next != 3*size || ring.End() != next {
		t.Errorf("%d kept, the first is %d, next %d", len(got), got[0].TimeNano, next)
	}
	if got, _, _ := ring.From(next - 1); len(got) != 1 {
		t.Errorf("%d after the last but one", len(got))
	}
}

func TestMatch(t *testing.T) {
	m := events.Message{Type: events.ServiceEventType, Action: events.ActionUpdate, Scope: "swarm",
		Actor: events.Actor{ID: "abc", Attributes: map[string]string{"name": "web"}}}
	for text, want := range map[string]bool{
		``: true, `{"type":["service"]}`: true, `{"type":["node","service"]}`: true, `{"type":["node"]}`: false,
		`{"event":["update"]}`: true, `{"event":["create"]}`: false, `{"scope":["local"]}`: false, `{"scope":["swarm"]}`: true,
		`{"service":["we"]}`: true, `{"service":["ab"]}`: true, `{"service":["x"]}`: false, `{"node":["x"]}`: false,
		`{"node":["we"]}`: true, `{"container":["web"]}`: true, `{"container":["eb"]}`: false, `{"service":["web"],"network":["x"]}`: false,
		`{"image":["web"]}`: false, `{"image":["abc"]}`: true, `{"event":["up"]}`: false, `{"event":["up","health_status"]}`: true,
		`{"container":["x"]}`: false, `{"label":["name=web"]}`: true, `{"label":["x"]}`: false, `{"scope":["swar"]}`: false,
		`{"type":["servic"]}`: false, `{"anything":["x"]}`: true,
	} {
		args, err := filters.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := Match(args, m); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}
