package cluster

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/skep-org/skep/internal/lab/hosts"
)

// chainOf are five services of which each waits for the one before.
func chainOf() []string { return []string{"chain1", "chain2", "chain3", "chain4", "chain5"} }

// dependencies: of five services of which each depends on the one before, the third has no image: those behind it say what
// they wait for, also when another manager leads, and come up once it is mended.
func dependencies(f *fixture) {
	chain := chainOf()
	leader := f.leader("m1")
	via := others(leader)[0]
	f.refused(via, "it is service_started, service_healthy or service_completed_successfully",
		"service", "create", "--detach", "--name", "chain0", "--label", "skep.depends-on.chain1=healthy", hosts.WhoamiImage)
	for i := len(chain) - 1; i >= 0; i-- { // the last one first: it waits for what is not there
		args := []string{"service", "create", "--detach", "--name", chain[i], "--restart-delay", "500ms"}
		if i > 0 {
			condition := []string{"service_healthy", "service_started"}[i%2]
			args = append(args, "--label", "skep.depends-on."+chain[i-1]+"="+condition)
		}
		image := hosts.WhoamiImage
		if i == 2 {
			image = "nowhere/nothing:1"
		}
		f.docker(via, append(args, "--no-resolve-image", image)...)
	}
	f.refused(via, "services cannot wait for each other", "service", "update", "--detach", "--label-add", "skep.depends-on.chain5=service_started", "chain1")
	f.waits(via)
	before := f.chained(via)

	f.must(f.Host(leader).Kill(f.t.Context()))
	f.t.Logf("the first write was acknowledged after %v", f.insist(via, "service", "update", "--detach", "--label-add", "after=loss", "chain5"))
	f.create(via, "chain6", "--label", "skep.depends-on.chain4=service_healthy")
	f.eventually(settleLimit, func() string { // a new task passes through all stages: whatever they make of the others has happened
		return f.says(via, "chain6", "waits for service chain4 to be healthy (0 of 1)")
	})
	f.waits(via)
	for service, tasks := range f.chained(via) {
		if was := before[service]; len(f.lost(leader, was)) == 0 && !maps.Equal(was, tasks) {
			f.t.Errorf("the tasks of %s were %v and are %v", service, was, tasks)
		}
	}
	f.must(f.Host(leader).Start(f.t.Context()))
	f.nodes(leader, manager("m1"), manager("m2"), manager("m3"), worker("w1"), worker("w2"))
	f.waits(leader)

	f.docker(leader, "service", "update", "--detach", "--no-resolve-image", "--image", hosts.WhoamiImage, "chain3")
	for _, service := range append(chain, "chain6") {
		f.runs(settleLimit, service, 1)
	}
	f.docker(leader, append([]string{"service", "rm", "chain6"}, chain...)...)
}

// waits is whether the chain is as far as it can come, and says so.
func (f *fixture) waits(via string) {
	f.t.Helper()
	f.runs(settleLimit, "chain1", 1)
	f.runs(settleLimit, "chain2", 1)
	f.eventually(settleLimit, func() string {
		if wrong := f.says(via, "chain3", "No such image"); wrong != "" {
			return wrong
		}
		if wrong := f.says(via, "chain4", "waits for service chain3 to start (0 of 1)"); wrong != "" {
			return wrong
		}
		return f.says(via, "chain5", "waits for service chain4 to be healthy (0 of 1)")
	})
	f.runs(time.Second, "chain4", 0)
	f.runs(time.Second, "chain5", 0)
}

// says is what is wrong with what a service's tasks say.
func (f *fixture) says(via, service, text string) string {
	got, errs, err := f.try(via, "service", "ps", "--no-trunc", "--format", "{{.CurrentState}} {{.Error}}", service)
	if err == nil && strings.Contains(got, text) {
		return ""
	}
	return fmt.Sprintf("%s says of %s: %s: %v: %s; wanted %q", via, service, got, err, errs, text)
}

// chained are the tasks that are wanted of the chain, but for that which fails again and again.
func (f *fixture) chained(via string) map[string]map[string]string {
	f.t.Helper()
	out := map[string]map[string]string{}
	for i, service := range chainOf() {
		if i != 2 {
			out[service] = f.tasks(via, service)
		}
	}
	return out
}

// lost are those of some tasks that are on a host.
func (f *fixture) lost(host string, tasks map[string]string) []string {
	f.t.Helper()
	node := f.docker(others(host)[0], "node", "inspect", "--format", "{{.ID}}", host)
	return slices.DeleteFunc(slices.Sorted(maps.Keys(tasks)), func(id string) bool { return tasks[id] != node })
}
