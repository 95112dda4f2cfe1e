package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

// members is the life of a cluster's nodes: they are let in or not, change roles, leave and are removed.
func members(f *fixture) {
	f.sub("every manager takes every call", everyManager)
	f.sub("availability", availability)
	f.sub("labels", labels)
	f.sub("a worker leaves", workerLeaves)
	f.sub("joins are refused", joinsRefused)
	f.sub("a worker joins again", workerJoins)
	f.sub("roles change", rolesChange)
	f.sub("a manager leaves", managerLeaves)
	f.sub("data of a manager is lost", dataLost)
	f.sub("a quorum is not left", quorumKept)
}

func everyManager(f *fixture) {
	for i, m := range []string{"m1", "m2", "m3"} {
		name := "svc-" + m
		next := []string{"m1", "m2", "m3"}[(i+1)%3]
		f.create(m, name, "--replicas", "1")
		if got := f.docker(next, "service", "inspect", "--format", "{{.Spec.Mode.Replicated.Replicas}}", name); got != "1" {
			f.t.Errorf("%s was created through %s; at once after it %s tells %s replicas", name, m, next, got)
		}
		f.docker(next, "service", "scale", "--detach", name+"=2")
		f.docker(m, "service", "update", "--detach", "--label-add", "by="+m, name)
		f.runs(settleLimit, name, 2)
		f.docker(next, "service", "rm", name)
		if _, err := f.Host(m).Docker().ServiceInspect(f.t.Context(), name, client.ServiceInspectOptions{}); !cerrdefs.IsNotFound(err) {
			f.t.Errorf("%s was removed through %s; %s tells of it: %v", name, next, m, err)
		}
		if out := f.docker(m, "info", "--format", "{{.Swarm.ControlAvailable}} {{.Swarm.Managers}} {{.Swarm.Nodes}}"); out != "true 3 5" {
			f.t.Errorf("docker info on %s tells %s", m, out)
		}
		f.nodes(m, manager("m1"), manager("m2"), manager("m3"), worker("w1"), worker("w2"))
	}
	f.refused("w1", "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state.", "service", "ls")
	if out := f.docker("w1", "info", "--format", "{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}"); out != "active false" {
		f.t.Errorf("docker info on w1 tells %s", out)
	}
}

func availability(f *fixture) {
	f.create("m1", "avail", "--replicas", "4", "--constraint", "node.role==worker")
	f.runs(settleLimit, "avail", 4)
	f.docker("m2", "node", "update", "--availability", "drain", "w1")
	f.eventually(settleLimit, func() string {
		if n := f.spread("avail"); n["w1"] != 0 || n["w2"] != 4 {
			return fmt.Sprint("after the drain of w1: ", n)
		}
		return ""
	})
	f.docker("m3", "node", "update", "--availability", "pause", "w1")
	before := f.containers("w2", "avail")
	f.docker("m1", "service", "scale", "--detach", "avail=6")
	f.runs(settleLimit, "avail", 6)
	if n := f.spread("avail"); n["w1"] != 0 {
		f.t.Errorf("a paused node was given tasks: %v", n)
	}
	f.docker("m1", "node", "update", "--availability", "active", "w1")
	f.docker("m1", "service", "scale", "--detach", "avail=8")
	f.runs(settleLimit, "avail", 8)
	after := f.containers("w2", "avail")
	for id, started := range before {
		if after[id] != started {
			f.t.Errorf("container %s was started at %s and now %q: nothing gave it a reason to move", id, started, after[id])
		}
	}
	if n := f.spread("avail"); n["w1"] != 2 {
		f.t.Errorf("an active node that runs nothing got not the next two tasks: %v", n)
	}
	f.docker("m1", "service", "rm", "avail")
	f.runs(settleLimit, "avail", 0)
}

func labels(f *fixture) {
	f.docker("m1", "node", "update", "--label-add", "disk=ssd", "--label-add", "zone=a", "w2")
	f.docker("m2", "node", "update", "--label-rm", "zone", "w2")
	if got := f.docker("m3", "node", "inspect", "--format", "{{.Spec.Labels}}", "w2"); got != "map[disk:ssd]" {
		f.t.Errorf("the labels of w2 are %s", got)
	}
	f.create("m1", "labelled", "--replicas", "2", "--constraint", "node.labels.disk==ssd")
	f.runs(settleLimit, "labelled", 2)
	if n := f.spread("labelled"); n["w2"] != 2 {
		f.t.Errorf("a service for w2 alone runs on %v", n)
	}
	f.docker("m1", "service", "rm", "labelled")
	f.runs(settleLimit, "labelled", 0)
}

func workerLeaves(f *fixture) {
	f.create("m1", "everywhere", "--mode", "global")
	f.runs(settleLimit, "everywhere", 5)
	if out := f.docker("w2", "swarm", "leave"); out != "Node left the swarm." {
		f.t.Errorf("docker swarm leave says %s", out)
	}
	f.unjoined("w2")
	f.nodes("m1", manager("m1"), manager("m2"), manager("m3"), worker("w1"), down("w2"))
	f.runs(settleLimit, "everywhere", 4)
	f.refused("m1", "is not down and can't be removed", "node", "rm", "w1")
	f.docker("m2", "node", "rm", "w2")
	f.nodes("m1", manager("m1"), manager("m2"), manager("m3"), worker("w1"))
}

// unjoined checks that nothing is left of a cluster on a host.
func (f *fixture) unjoined(host string) {
	f.t.Helper()
	if got := f.docker(host, "info", "--format", "{{.Swarm.LocalNodeState}}{{.Swarm.NodeID}}{{.Swarm.Error}}"); got != "inactive" {
		f.t.Errorf("docker info on %s tells %q of the swarm", host, got)
	}
	left, err := filepath.Glob(filepath.Join(f.Dir(), host, "skep", "swarm", "*"))
	f.must(err)
	if len(left) > 0 {
		f.t.Errorf("%s is in no cluster and keeps %v", host, left)
	}
}

func (f *fixture) token(via, role string) string {
	return f.docker(via, "swarm", "join-token", "--quiet", role)
}

func (f *fixture) address(host string) string { return f.Host(host).Address.String() + ":2377" }

// joinsRefused lets w2, which is in no cluster, try with every wrong key there is.
func joinsRefused(f *fixture) {
	old := f.token("m1", "worker")
	good := f.docker("m2", "swarm", "join-token", "--rotate", "--quiet", "worker")
	if again := f.token("m3", "worker"); again != good || good == old {
		f.t.Errorf("the token after a rotation differs between managers, or is the old one")
	}
	part := strings.Split(good, "-") // SWMTKN, 1, digest, secret
	wrong := strings.Join(append(part[:3:3], strings.Repeat("a", 25)), "-")

	// A cluster of w2's own gives what belongs to another one.
	f.docker("w2", "swarm", "init", "--advertise-addr", f.Host("w2").Address.String())
	foreign := f.token("w2", "worker")
	f.refused("w1", "This node is already part of a swarm", "swarm", "join", "--token", foreign, f.address("w2"))
	f.refused("w2", "Removing the last manager erases all current state of the swarm", "swarm", "leave")
	f.docker("w2", "swarm", "leave", "--force")
	mixed := strings.Join(append(part[:3:3], strings.Split(foreign, "-")[3]), "-")

	const notValid, notOurs = "A valid join token is necessary to join this cluster", "the join token is not of this cluster"
	for _, c := range []struct{ what, token, address, says string }{
		{"no token", "nonsense", f.address("m1"), "invalid join token"},
		{"a wrong secret", wrong, f.address("m1"), notValid},
		{"a token from before a rotation", old, f.address("m3"), notValid},
		{"another cluster's token", foreign, f.address("m2"), notOurs},
		{"another cluster's secret", mixed, f.address("m2"), notValid},
		{"nobody there", good, f.Client().Address.String() + ":2377", "cannot be reached"},
		{"a worker's address", good, f.address("w1"), "is the address of a worker"},
		{"an address without a host", good, "10.77.0.250:2377", "cannot be reached"},
	} {
		f.t.Log(c.what)
		f.refused("w2", c.says, "swarm", "join", "--token", c.token, c.address)
		f.unjoined("w2")
	}
	f.t.Log("a clock that is far off")
	f.clocksFarOff("w2", good)
	f.unjoined("w2")
	f.nodes("m1", manager("m1"), manager("m2"), manager("m3"), worker("w1"))
}

func workerJoins(f *fixture) {
	f.docker("w2", "swarm", "join", "--token", f.token("m1", "worker"), f.address("m3"))
	f.nodes("m1", manager("m1"), manager("m2"), manager("m3"), worker("w1"), worker("w2"))
	f.runs(settleLimit, "everywhere", 5)
}

func rolesChange(f *fixture) {
	before := f.containers("w1", "everywhere")
	f.docker("m1", "node", "promote", "w1")
	f.nodes("w1", manager("m1"), manager("m2"), manager("m3"), manager("w1"), worker("w2"))
	f.docker("w1", "node", "demote", "w1")
	f.nodes("m1", manager("m1"), manager("m2"), manager("m3"), worker("w1"), worker("w2"))
	f.eventually(settleLimit, func() string {
		if _, errs, err := f.try("w1", "node", "ls"); err == nil || !strings.Contains(errs, "This node is not a swarm manager") {
			return "a demoted manager answers: " + errs
		}
		return ""
	})
	leader := f.leader("m1")
	via := map[string]string{"m1": "m2", "m2": "m3", "m3": "m1"}[leader]
	f.docker(via, "node", "demote", leader)
	var rest []string
	for _, m := range []string{"m1", "m2", "m3"} {
		if m != leader {
			rest = append(rest, manager(m))
		}
	}
	f.nodes(via, append(rest, worker(leader), worker("w1"), worker("w2"))...)
	f.docker(via, "node", "update", "--role", "manager", leader)
	f.nodes(leader, manager("m1"), manager("m2"), manager("m3"), worker("w1"), worker("w2"))
	if after := f.containers("w1", "everywhere"); len(after) != 1 || fmt.Sprint(after) != fmt.Sprint(before) {
		f.t.Errorf("w1 became manager and worker again, its container was %v and is %v", before, after)
	}
}

func managerLeaves(f *fixture) {
	f.refused("m3", "You are attempting to leave the swarm on a node that is participating as a manager.", "swarm", "leave")
	f.refused("m1", "must be demoted to worker before removal", "node", "rm", "--force", "m3")
	f.docker("m3", "swarm", "leave", "--force")
	f.unjoined("m3")
	f.eventually(settleLimit, func() string {
		got, errs, err := f.try("m1", "node", "ls", "--format", "{{.Hostname}} {{.Status}} {{.ManagerStatus}}")
		if err != nil || !strings.Contains(got, "m3 Down") || strings.Contains(got, "m3 Down Reachable") {
			return got + errs
		}
		return ""
	})
	f.forget("m3")
	f.docker("m3", "swarm", "join", "--token", f.token("m2", "manager"), f.address("m2"))
	f.nodes("m3", manager("m1"), manager("m2"), manager("m3"), worker("w1"), worker("w2"))
}

// forget removes a node that has left, demoting it where it still counts as a manager.
func (f *fixture) forget(name string) {
	f.t.Helper()
	if role := f.docker("m1", "node", "inspect", "--format", "{{.Spec.Role}}", name); role == "manager" {
		f.docker("m1", "node", "demote", name)
	}
	f.eventually(settleLimit, func() string {
		_, errs, err := f.try("m1", "node", "rm", name)
		if err != nil {
			return errs
		}
		return ""
	})
}

// dataLost: the disk of a manager is lost with all it knew; it is removed and joins as a new node.
func dataLost(f *fixture) {
	f.create("m1", "kept", "--replicas", "3")
	m3 := f.Host("m3")
	f.must(m3.Kill(f.t.Context()))
	f.must(os.RemoveAll(filepath.Join(f.Dir(), "m3", "skep")))
	f.must(m3.Start(f.t.Context()))
	f.unjoined("m3")
	f.nodes("m1", manager("m1"), manager("m2"), "m3 Down Active Unreachable", worker("w1"), worker("w2"))
	f.forget("m3")
	f.docker("m3", "swarm", "join", "--token", f.token("m1", "manager"), f.address("m1"))
	f.nodes("m3", manager("m1"), manager("m2"), manager("m3"), worker("w1"), worker("w2"))
	if got := f.docker("m3", "service", "inspect", "--format", "{{.Spec.Mode.Replicated.Replicas}}", "kept"); got != "3" {
		f.t.Errorf("the new member knows a service of 3 replicas as one of %s", got)
	}
	f.runs(settleLimit, "kept", 3)
	f.runs(settleLimit, "everywhere", 5)
}

// quorumKept: with one of three managers dead, no other may go.
func quorumKept(f *fixture) {
	f.must(f.Host("m3").Kill(f.t.Context()))
	f.nodes("m1", manager("m1"), manager("m2"), "m3 Down Active Unreachable", worker("w1"), worker("w2"))
	f.refused("m2", "Removing this node leaves 1 managers out of 3. Without a Raft quorum your swarm will be inaccessible.", "swarm", "leave")
	f.refused("m1", "", "node", "demote", "m2")
	f.must(f.Host("m3").Start(f.t.Context()))
	f.nodes("m3", manager("m1"), manager("m2"), manager("m3"), worker("w1"), worker("w2"))
}
