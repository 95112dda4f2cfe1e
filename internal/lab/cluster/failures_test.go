package cluster

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/moby/moby/client"

	"github.com/skep-org/skep/internal/lab/hosts"
)

// Limits of what a busy machine may make of the promises; the benchmark measures them on a calm one.
const (
	leaderLossLimit = 10 * time.Second // promised: 2 s, median of 10
	workerLossLimit = 20 * time.Second // promised: 5 s, median of 5
)

// failures breaks a running cluster in the ways machines and networks do.
func failures(f *fixture) {
	f.sub("idle daemons are small", idle)
	f.sub("secrets stay where they are needed", secrets)
	f.sub("privileges are those that the policy allows", privileges)
	f.sub("services wait for what they depend on", dependencies)
	f.create("m1", "web", "--replicas", "10")
	f.runs(settleLimit, "web", 10)
	for _, h := range f.Hosts() {
		if n := len(f.containers(h.Name, "web")); n != 2 {
			f.t.Errorf("%s runs %d of 10 replicas on 5 nodes", h.Name, n)
		}
	}
	f.sub("a worker's daemon is restarted", func(f *fixture) { restarted(f, "w1", syscall.SIGTERM) })
	f.sub("a worker's daemon is killed", func(f *fixture) { restarted(f, "w1", syscall.SIGKILL) })
	f.sub("a manager's daemon is restarted", func(f *fixture) { restarted(f, f.leader("m1"), syscall.SIGTERM) })
	f.sub("a worker is cut off and returns", cutOff)
	f.sub("a worker loses power", workerLost)
	f.sub("the leader loses power during a scale-up", leaderLost)
	f.sub("two of three managers lose power", quorumLost)
}

// tasks are the ids of a service's tasks that are wanted running, with their nodes.
func (f *fixture) tasks(via, service string) map[string]string {
	f.t.Helper()
	r, err := f.Host(via).Docker().TaskList(f.t.Context(), client.TaskListOptions{
		Filters: client.Filters{}.Add("service", service).Add("desired-state", "running"),
	})
	f.must(err)
	ids := map[string]string{}
	for _, t := range r.Items {
		ids[t.ID] = t.NodeID
	}
	return ids
}

// restarted: a daemon that is restarted in either way, as an upgrade does it, moves no task.
func restarted(f *fixture, host string, sig syscall.Signal) {
	via := map[bool]string{true: "m2", false: "m1"}[host == "m1"]
	tasks, before := f.tasks(via, "web"), f.containers(host, "web")
	if len(tasks) != 10 || len(before) != 2 {
		f.t.Fatalf("before it: %d tasks, %d containers on %s", len(tasks), len(before), host)
	}
	f.must(f.Host(host).Hold(hosts.Daemon, true)) // an upgrade takes a moment
	f.must(f.Host(host).Signal(f.t.Context(), hosts.Daemon, sig))
	f.eventually(settleLimit, func() string {
		if _, err := f.Host(host).Docker().Ping(f.t.Context(), client.PingOptions{}); err == nil {
			return "the daemon still answers"
		}
		return ""
	})
	f.must(f.Host(host).Hold(hosts.Daemon, false))
	f.eventually(settleLimit, func() string {
		got, errs, err := f.try(host, "info", "--format", "{{.Swarm.LocalNodeState}}")
		if err != nil || got != "active" {
			return got + errs
		}
		return ""
	})
	f.nodes(via, manager("m1"), manager("m2"), manager("m3"), worker("w1"), worker("w2"))
	// A scale-up passes through all stages: what they had in mind for the others has then happened, too.
	f.create(via, "after", "--mode", "global")
	f.runs(settleLimit, "after", 5)
	if got := f.tasks(via, "web"); !maps.Equal(got, tasks) {
		f.t.Errorf("the tasks were %v and are %v", tasks, got)
	}
	if got := f.containers(host, "web"); !maps.Equal(got, before) {
		f.t.Errorf("the containers on %s were %v and are %v", host, before, got)
	}
	f.docker(via, "service", "rm", "after")
}

// cutOff: the tasks of a worker nobody hears of are replaced; it runs them on, and stops them when it returns.
func cutOff(f *fixture) {
	before := f.containers("w1", "web")
	f.must(f.Partition(f.t.Context(), []string{"w1"}))
	took := f.runs(workerLossLimit, "web", 10+len(before))
	f.t.Logf("replacements ran after %v", took)
	f.nodes("m1", manager("m1"), manager("m2"), manager("m3"), down("w1"), worker("w2"))
	if got := f.containers("w1", "web"); !maps.Equal(got, before) {
		f.t.Errorf("a worker that is cut off ran %v and runs %v", before, got)
	}
	f.must(f.Heal(f.t.Context()))
	f.nodes("m1", manager("m1"), manager("m2"), manager("m3"), worker("w1"), worker("w2"))
	f.runs(settleLimit, "web", 10)
	if got := f.containers("w1", "web"); len(got) != 0 {
		f.t.Errorf("the worker that returned runs %v, all of which was replaced", got)
	}
	f.docker("m1", "service", "update", "--detach", "--force", "--update-parallelism", "0", "web") // spreads it again
	f.eventually(settleLimit, func() string {
		n := f.spread("web")
		if n["w1"] != 2 || n["w2"] != 2 {
			return fmt.Sprint("after the update: ", n)
		}
		return ""
	})
	f.runs(settleLimit, "web", 10)
}

func workerLost(f *fixture) {
	f.must(f.Host("w2").Kill(f.t.Context()))
	f.t.Logf("replacements ran after %v", f.runs(workerLossLimit, "web", 10))
	f.nodes("m2", manager("m1"), manager("m2"), manager("m3"), worker("w1"), down("w2"))
	f.must(f.Host("w2").Start(f.t.Context()))
	f.nodes("m2", manager("m1"), manager("m2"), manager("m3"), worker("w1"), worker("w2"))
	f.runs(settleLimit, "web", 10)
}

// others are the managers but for one.
func others(but string) []string {
	return slices.DeleteFunc([]string{"m1", "m2", "m3"}, func(m string) bool { return m == but })
}

// insist repeats a write, each attempt with the promised time to answer, until it is acknowledged.
func (f *fixture) insist(via string, args ...string) time.Duration {
	f.t.Helper()
	return f.eventually(leaderLossLimit, func() string {
		began := time.Now()
		ctx, cancel := context.WithTimeout(f.t.Context(), 2*promisedAnswer)
		defer cancel()
		cmd, err := f.Host(via).Command(ctx, append([]string{"docker"}, args...)...)
		f.must(err)
		_, errs, err := output(cmd)
		if took := time.Since(began); took > promisedAnswer+answerSlack {
			f.t.Errorf("docker %s on %s took %v: %v: %s", mask(args), via, took, err, errs)
		}
		if err != nil {
			return errs
		}
		return ""
	})
}

func leaderLost(f *fixture) {
	leader := f.leader("m1")
	via := others(leader)
	f.docker(via[0], "service", "scale", "--detach", "web=30")
	f.must(f.Host(leader).Kill(f.t.Context()))
	f.t.Logf("the first write was acknowledged after %v", f.insist(via[0], "service", "update", "--detach", "--label-add", "after=loss", "web"))
	f.runs(settleLimit, "web", 30)
	for _, m := range via {
		f.nodes(m, manager(via[0]), manager(via[1]), leader+" Down Active Unreachable", worker("w1"), worker("w2"))
		if got := f.docker(m, "service", "inspect", "--format", `{{.Spec.Mode.Replicated.Replicas}} {{index .Spec.Labels "after"}}`, "web"); got != "30 loss" {
			f.t.Errorf("%s tells of the service %q", m, got)
		}
	}
	f.must(f.Host(leader).Start(f.t.Context()))
	f.nodes(leader, manager("m1"), manager("m2"), manager("m3"), worker("w1"), worker("w2"))
	f.docker(leader, "service", "scale", "--detach", "web=10")
	f.runs(settleLimit, "web", 10)
}

// quorumLost: nothing can be read or written then, everything that runs goes on, and one manager's return ends it.
func quorumLost(f *fixture) {
	leader := f.leader("m1")
	rest := others(leader)
	left, first, last := rest[0], leader, rest[1]
	running := map[string]map[string]string{}
	for _, h := range []string{left, "w1", "w2"} {
		running[h] = f.containers(h, "web")
	}
	f.must(f.Host(first).Kill(f.t.Context()))
	f.must(f.Host(last).Kill(f.t.Context()))
	for range 2 { // at once, and when the loss is known
		var all sync.WaitGroup
		for _, args := range [][]string{
			{"service", "ls"}, {"node", "ls"}, {"service", "scale", "--detach", "web=3"},
			{"network", "create", "--driver", "overlay", "nothing"}, {"swarm", "join-token", "worker"},
		} {
			all.Go(func() {
				f.refused(left, "the cluster has no leader: a majority of its managers must be up and reach each other", args...)
			})
		}
		all.Wait()
		if got := f.docker(left, "info", "--format", "{{.Swarm.LocalNodeState}}"); got != "active" {
			f.t.Errorf("docker info tells %q", got)
		}
		f.docker(left, "ps") // the node's own engine has no need of a leader
	}
	f.must(f.Host(first).Start(f.t.Context()))
	f.insist(left, "service", "update", "--detach", "--label-add", "again=here", "web")
	f.nodes(first, manager(left), manager(first), last+" Down Active Unreachable", worker("w1"), worker("w2"))
	f.runs(settleLimit, "web", 10)
	for h, before := range running {
		for id, started := range before {
			if got := f.containers(h, "web")[id]; got != started {
				f.t.Errorf("container %s on %s was started at %s and now %q", id[:12], h, started, got)
			}
		}
	}
	f.must(f.Host(last).Start(f.t.Context()))
	f.nodes(last, manager("m1"), manager("m2"), manager("m3"), worker("w1"), worker("w2"))
	if got := f.docker(last, "service", "inspect", "--format", "{{.Spec.Labels}}", "web"); !strings.Contains(got, "again:here") {
		f.t.Errorf("the last to return tells of the labels %s", got)
	}
}
