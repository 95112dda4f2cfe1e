package api

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/manager/roles"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// many is a cluster of several managers, of which this node is the first.
type many struct {
	*fakeCluster
	silent map[string]bool
	joined []swarm.JoinRequest
}

// knowing is a manager that knows which managers answer.
type knowing struct {
	*fakeManager
	many *many
}

func (k knowing) Members(context.Context) (roles.Group, error) {
	g := roles.Of(k.Store.View(), k.many.State().Leader)
	for i, m := range g {
		g[i].Active = !k.many.silent[hostname(k.Store.View(), m.Node)]
	}
	return g, nil
}

func hostname(v store.View, node model.ID) string {
	return store.NodeStates.ByID(v, node).Description.Get().Hostname
}

func (m *many) Manager() Manager {
	if m.fakeCluster.Manager() == nil {
		return nil
	}
	return knowing{m.manager, m}
}

func (m *many) Join(_ context.Context, req swarm.JoinRequest) error {
	m.joined = append(m.joined, req)
	if req.RemoteAddrs[0] == "nobody" {
		return errors.New("nobody is there")
	}
	return nil
}

// managers makes a cluster of so many: one, two, three and so on.
func managers(t *testing.T, n int) (*world, *many) {
	w := newWorld(t)
	w.request("POST /swarm/init\n" + `{"ListenAddr":"0.0.0.0:2377"}`)
	c := &many{fakeCluster: w.cluster, silent: map[string]bool{}}
	w.server.Cluster = c
	for i, name := range []string{"two", "three", "four", "five"}[:n-1] {
		id, raft := model.NumID(uint64(i+2)), uint64(i+2)
		w.commit(&store.Batch{Writer: store.WriterJoin, Changes: []store.Change{
			store.NodeSpecs.Put(&model.NodeSpec{ID: id, Spec: model.DocOf(swarm.NodeSpec{Role: "manager", Availability: "active"})})}})
		w.commit(&store.Batch{Writer: store.WriterDispatcher, Changes: []store.Change{store.NodeStates.Put(&model.NodeState{ID: id, State: model.ReachReady,
			Description: model.DocOf(swarm.NodeDescription{Hostname: name})})}})
		w.commit(&store.Batch{Writer: store.WriterRaft, Changes: []store.Change{store.Members.Put(&model.Member{RaftID: raft, NodeID: id, Addr: name + ":2377"})}})
	}
	return w, c
}

// update changes a node's role or availability.
func (w *world) update(name, role, availability string) string {
	w.t.Helper()
	v := w.cluster.manager.Store.View()
	for n := range store.NodeSpecs.All(v) {
		if hostname(v, n.ID) == name {
			return w.request(fmt.Sprintf("POST /nodes/%s/update?version=%d\n{\"Role\":%q,\"Availability\":%q}", name, n.Index, role, availability))
		}
	}
	return "no such node"
}

func want(t *testing.T, got, text string) {
	t.Helper()
	if !strings.Contains(got, text) {
		t.Errorf("got %s\nwant %s", got, text)
	}
}

const quorumLoss = "400 {\"message\":\"can't remove member from the raft: this would result in a loss of quorum\"}"

func TestDemotions(t *testing.T) {
	w, c := managers(t, 3)
	c.silent["three"] = true
	want(t, w.update("two", "worker", "active"), quorumLoss)
	want(t, w.update("two", "manager", "drain"), "200")
	want(t, w.update("three", "worker", "active"), "200")
	want(t, w.update("three", "manager", "active"), "200") // and back
	c.silent["three"] = false
	want(t, w.update("two", "worker", "active"), "200")
	want(t, w.update("three", "worker", "active"), "200")
	want(t, w.update("one", "worker", "active"), "attempting to demote the last manager of the swarm")
}

// Each of two managers may be demoted, and not both at the same time.
func TestDemotionsAtTheSameTime(t *testing.T) {
	w, c := managers(t, 2)
	c.manager.before = func() {
		c.manager.before = nil
		old := store.NodeSpecs.ByID(c.manager.Store.View(), model.NumID(2))
		next := *old
		next.Spec = model.DocOf(swarm.NodeSpec{Role: "worker", Availability: "active"})
		if _, err := c.manager.Direct.Commit(&store.Batch{Writer: store.WriterAPI, Changes: []store.Change{store.NodeSpecs.Put(&next)}}).Wait(t.Context()); err != nil {
			t.Error(err)
		}
	}
	want(t, w.update("one", "worker", "active"), "attempting to demote the last manager of the swarm")
}

func TestManagersAreRemovedOnlyWhenDemoted(t *testing.T) {
	w, _ := managers(t, 3)
	want(t, w.request("DELETE /nodes/two?force=1"), "400 {\"message\":\"node "+model.NumID(2).String()+" is a cluster manager and is a member of the raft cluster. It must be demoted to worker before removal\"}")
	want(t, w.update("two", "worker", "active"), "200")
	want(t, w.request("DELETE /nodes/two"), "is not down and can't be removed")
	want(t, w.request("DELETE /nodes/two?force=1"), "200")
}

func TestManagersAreListedAsTheyAnswer(t *testing.T) {
	w, c := managers(t, 3)
	c.silent["three"] = true
	w.commit(&store.Batch{Writer: store.WriterJoin, Changes: []store.Change{
		store.NodeSpecs.Put(&model.NodeSpec{ID: model.NumID(7), Spec: model.DocOf(swarm.NodeSpec{Role: "manager", Availability: "active"})})}})
	w.commit(&store.Batch{Writer: store.WriterDispatcher, Changes: []store.Change{store.NodeStates.Put(&model.NodeState{ID: model.NumID(7), State: model.ReachReady})}})
	w.commit(&store.Batch{Writer: store.WriterRaft, Changes: []store.Change{store.Members.Put(&model.Member{RaftID: 7, NodeID: model.NumID(7), Addr: "x:2377", Learner: true})}})
	nodes := w.request("GET /nodes")
	for _, status := range []string{
		`{"Leader":true,"Reachability":"reachable","Addr":"10.0.0.1:2377"}`, `{"Reachability":"reachable","Addr":"two:2377"}`, `{"Reachability":"unreachable","Addr":"three:2377"}`,
	} {
		want(t, nodes, `"ManagerStatus":`+status)
	}
	if n := strings.Count(nodes, "ManagerStatus"); n != 3 {
		t.Errorf("%d nodes are managers; one that does not vote yet is none", n)
	}
	w.engine["GET /info"] = "200 {}"
	want(t, w.request("GET /info"), `"Nodes":4,"Managers":3`)
}

func TestManagersLeaveOnlyForced(t *testing.T) {
	for _, c := range []struct {
		managers int
		silent   string
		sentence string
	}{
		{1, "", leavingManager + lastManager},
		{2, "", leavingManager + "Removing this node leaves 1 managers out of 2. Without a Raft quorum your swarm will be inaccessible. " + onlyForced},
		{3, "", leavingManager + onlyForced},
		{3, "two", leavingManager + "Removing this node leaves 1 managers out of 3. Without a Raft quorum your swarm will be inaccessible. " + onlyForced},
		{5, "two", leavingManager + onlyForced},
	} {
		w, m := managers(t, c.managers)
		m.silent[c.silent] = true
		// As the docker command, as Python's clients say no.
		for _, no := range []string{"", "?force=0", "?force=False", "?force=+NO"} {
			want(t, w.request("POST /swarm/leave"+no), `503 {"message":"`+c.sentence+`"}`)
		}
		want(t, w.request("POST /swarm/leave?force=true"), "200")
	}
}

func TestAWorkerSaysWhatItIs(t *testing.T) {
	w, c := managers(t, 1)
	c.manager = nil
	c.state.Leader, c.state.Managers = model.ID{}, []swarm.Peer{{NodeID: model.NumID(2).String(), Addr: "192.0.2.2:2377"}}
	for _, path := range []string{"GET /nodes", "GET /swarm", "GET /services", "POST /swarm/update?version=1\n{}", "DELETE /nodes/x"} {
		want(t, w.request(path), "503 {\"message\":\"This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state. Please run this command on a manager node or promote the current node to a manager.\"}")
	}
	w.engine["GET /info"] = "200 {}"
	want(t, w.request("GET /info"), `"LocalNodeState":"active","ControlAvailable":false,"Error":"","RemoteManagers":[{"NodeID":"`+model.NumID(2).String()+`","Addr":"192.0.2.2:2377"}]`)
	want(t, w.request("POST /swarm/leave"), "200")
}

func TestJoin(t *testing.T) {
	w := newWorld(t)
	token := "SWMTKN-1-" + strings.Repeat("0", 50) + "-" + strings.Repeat("1", 25)
	body := func(listen, remote, token, availability string) string {
		return fmt.Sprintf("POST /swarm/join\n{\"ListenAddr\":%q,\"RemoteAddrs\":[%s],\"JoinToken\":%q,\"Availability\":%q}", listen, remote, token, availability)
	}
	good := body("0.0.0.0:2377", `"192.0.2.1:2377"`, token, "drain")
	want(t, w.request(good), "501")
	c := &many{fakeCluster: w.cluster}
	w.server.Cluster = c
	want(t, w.request(body("", `"x"`, token, "")), `invalid ListenAddr \"\": invalid empty address`)
	want(t, w.request(body("0.0.0.0:2377", ``, token, "")), "400 {\"message\":\"at least 1 RemoteAddr is required to join\"}")
	want(t, w.request(body("0.0.0.0:2377", `""`, token, "")), `invalid remoteAddr \"\": invalid empty address`)
	want(t, w.request(body("0.0.0.0:2377", `"x"`, "nonsense", "")), "500 {\"message\":\"invalid join token\"}")
	want(t, w.request(body("0.0.0.0:2377", `"x"`, token, "asleep")), `500 {"message":"invalid Availability: \"asleep\""}`)
	if len(c.joined) != 0 {
		t.Fatal("a request that was refused went on")
	}
	want(t, w.request(body("0.0.0.0:2377", `"nobody"`, token, "")), "nobody is there")
	want(t, w.request(good), "200")
	if got := c.joined[1]; got.Availability != "drain" || got.JoinToken != token {
		t.Errorf("joined with %+v", got)
	}
}

// finding is a member whose managers may be found elsewhere.
type finding struct {
	*fakeCluster
	found bool
	err   error
}

func (f *finding) Find(context.Context, swarm.JoinRequest) (bool, error) { return f.found, f.err }

// A worker that has lost its managers is told by another join where they are now.
func TestAMemberFindsItsManagers(t *testing.T) {
	w, c := managers(t, 1)
	join := `POST /swarm/join
{"ListenAddr":"0.0.0.0:2377","RemoteAddrs":["192.0.2.9:2377"],"JoinToken":"x"}`
	f := &finding{fakeCluster: c.fakeCluster}
	w.server.Cluster = f
	want(t, w.request(join), "This node is already part of a swarm.")
	f.found = true
	want(t, w.request(join), "200")
	f.err = errors.New("no manager was found there")
	want(t, w.request(join), "no manager was found there")
	f.state.Local = swarm.LocalNodeStateError
	want(t, w.request(join), "This node is already part of a swarm.")
}
