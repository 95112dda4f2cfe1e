package network

import (
	"slices"
	"strings"
)

// overlays has two services on one network, one task a host, and a third on another network of which they see nothing.
func overlays(f *fixture) {
	f.overlay("inner")
	f.overlay("other")
	f.service("left", "--mode", "global", "--network", "inner", "--env", "TASK_NAME=left@{{.Node.Hostname}}")
	f.service("right", "--mode", "global", "--network", "name=inner,alias=beside", "--env", "TASK_NAME=right@{{.Node.Hostname}}")
	f.service("third", "--mode", "global", "--network", "other", "--publish", "8090:8080", "--env", "TASK_NAME=third@{{.Node.Hostname}}")
	all := func(service string) (list []string) {
		for _, h := range f.Hosts() {
			list = append(list, service+"@"+h.Name)
		}
		return list
	}
	left, third := f.task("m1", "left"), f.task("w2", "third")
	f.reachable(left, "http://right:8080/who")

	f.sub("by name and address", func(f *fixture) {
		for _, h := range []string{"m1", "w2"} {
			from := f.task(h, "left")
			f.answers(from, 10, all("right"), "http://right:8080/who", "udp://right:8080", "http://beside:8080/who", "http://tasks.right:8080/who")
			f.answers(from, 10, all("left"), "http://left:8080/who") // itself, too
		}
	})
	f.sub("names", func(f *fixture) { namesOf(f, left) })
	f.sub("every task", func(f *fixture) {
		tasks := f.lookup(left, "tasks.right")["tasks.right"].Addrs
		for _, addr := range tasks {
			r := f.ask(left, 2, "http://"+addr+":8080/who", "udp://"+addr+":8080")
			if r.Failures > 0 || len(r.Targets[0].Who) != 1 {
				f.t.Errorf("%s: %v, answered by %v", addr, r, r.Targets[0].Who)
			}
		}
	})
	f.sub("isolation", func(f *fixture) { isolation(f, left, third) })
	f.sub("changed networks", changedNetworks)
	f.sub("without a virtual address", withoutVIP)
	f.sub("inner networks", innerNetworks)
}

// namesOf checks what names lead to, forth and back.
func namesOf(f *fixture, left place) {
	found := f.lookup(left, "right", "beside", "tasks.right", "left", "third", "tasks.third", "nobody", "m1.invalid")
	vip := f.vip("right", "inner")
	for _, name := range []string{"right", "beside"} {
		if got := found[name].Addrs; !slices.Equal(got, []string{vip}) {
			f.t.Errorf("%s leads to %v (%s), wanted its virtual address %s", name, got, found[name].Error, vip)
		}
	}
	if got := found["tasks.right"].Addrs; len(got) != len(f.Hosts()) || slices.Contains(got, vip) {
		f.t.Errorf("tasks.right leads to %v (%s), wanted the %d tasks", got, found["tasks.right"].Error, len(f.Hosts()))
	}
	for _, name := range []string{"third", "tasks.third", "nobody"} {
		if n := found[name]; !unknown(n) {
			f.t.Errorf("%s leads to %v (%q), wanted nothing", name, n.Addrs, n.Error)
		}
	}
	for _, addr := range found["tasks.right"].Addrs {
		back := f.lookup(left, addr)[addr]
		if len(back.Addrs) == 0 || !slices.ContainsFunc(back.Addrs, func(n string) bool { return strings.HasPrefix(n, "right.") }) {
			f.t.Errorf("%s is called %v (%s), wanted a task of right", addr, back.Addrs, back.Error)
		}
	}
}

// vip is a service's address on a network.
func (f *fixture) vip(service, network string) string {
	f.t.Helper()
	id := f.docker("m1", "network", "inspect", "--format", "{{.Id}}", network)
	said := f.docker("m1", "service", "inspect", "--format", "{{range .Endpoint.VirtualIPs}}{{.NetworkID}} {{.Addr}}\n{{end}}", service)
	for line := range strings.Lines(said) {
		if rest, ok := strings.CutPrefix(line, id+" "); ok {
			addr, _, _ := strings.Cut(strings.TrimSpace(rest), "/")
			return addr
		}
	}
	f.t.Fatalf("%s has no address on %s: %s", service, network, said)
	return ""
}

// address is a container's address on a network, by its engine's word.
func (f *fixture) address(p place, network string) string {
	f.t.Helper()
	said := f.docker(p.host, "-H", engineSocket, "inspect", "--format", `{{with index .NetworkSettings.Networks "`+network+`"}}{{.IPAddress}}{{end}}`, p.container)
	if said == "" {
		f.t.Fatalf("%v has no address on %s", p, network)
	}
	return said
}

// isolation tries every way from one network to another: addresses of tasks near and far, the virtual address, and the
// addresses of published tasks on the network that carries published ports.
func isolation(f *fixture, left, third place) {
	near, far := f.task("m1", "third"), third
	addrs := []string{f.vip("third", "other"), f.address(near, "other"), f.address(far, "other"), f.address(near, "ingress"), f.address(far, "ingress")}
	var targets []string
	for _, a := range addrs {
		targets = append(targets, "http://"+a+":8080/who", "udp://"+a+":8080")
	}
	f.unreachable(left, targets...)
	f.unreachable(third, "http://"+f.address(left, "inner")+":8080/who", "http://"+f.vip("left", "inner")+":8080/who")
	f.unreachable(f.plain("m1"), targets...)
	// Two tasks with published ports share the ingress network, and nothing else.
	f.service("fourth", "--mode", "global", "--publish", "8091:8080")
	f.unreachable(f.task("m1", "fourth"), targets...)
	// What is published is open to all.
	f.answers(left, 10, []string{"third@m1", "third@m2", "third@m3", "third@w1", "third@w2"}, f.numeric([]string{"http://m1:8090/who"})...)
	f.docker("m1", "service", "rm", "fourth")
}

// changedNetworks takes a service off a network and puts it on another, and back.
func changedNetworks(f *fixture) {
	left := f.task("m1", "left")
	f.docker("m1", "service", "update", "--quiet", "--update-parallelism", "0", "--network-rm", "inner", "--network-add", "other", "right")
	f.eventually(settleLimit, func() string {
		found, err := f.tryLookup(left, "right")
		if err != nil || !unknown(found["right"]) {
			return "the name is still known to those on the network it left"
		}
		return ""
	})
	from := f.task("m1", "third")
	f.reachable(from, "http://right:8080/who")
	f.docker("m1", "service", "update", "--quiet", "--update-parallelism", "0", "--network-add", "inner", "right")
	f.reachable(f.task("m1", "left"), "http://right:8080/who")
	f.reachable(f.task("m1", "third"), "http://right:8080/who")
}

// withoutVIP has names lead to the tasks themselves.
func withoutVIP(f *fixture) {
	f.service("direct", "--replicas", "3", "--network", "inner", "--endpoint-mode", "dnsrr", "--env", "TASK_NAME=direct.{{.Task.Slot}}")
	left := f.task("w1", "left")
	found := f.lookup(left, "direct", "tasks.direct")
	if got := found["direct"].Addrs; len(got) != 3 || !slices.Equal(got, found["tasks.direct"].Addrs) {
		f.t.Errorf("direct leads to %v (%s), wanted the three tasks %v", got, found["direct"].Error, found["tasks.direct"].Addrs)
	}
	f.answers(left, 30, []string{"direct.1", "direct.2", "direct.3"}, "http://direct:8080/who")
	f.docker("m1", "service", "rm", "direct")
}

// innerNetworks have no way out; others have.
func innerNetworks(f *fixture) {
	f.overlay("closed", "--internal")
	f.service("kept", "--mode", "global", "--network", "closed", "--env", "TASK_NAME=kept@{{.Node.Hostname}}")
	out := f.numeric([]string{"http://m1:8090/who"})
	f.unreachable(f.task("m2", "kept"), out...)
	f.answers(f.task("m2", "kept"), 16, []string{"kept@m1", "kept@m2", "kept@m3", "kept@w1", "kept@w2"}, "http://kept:8080/who")
	f.docker("m1", "service", "rm", "kept")
}
