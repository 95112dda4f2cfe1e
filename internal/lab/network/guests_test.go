package network

import (
	"slices"
	"strings"

	"github.com/skep-org/skep/internal/lab/hosts"
)

// guests are plain containers on an attachable network, on managers and workers: they reach services and each other by
// name, and services reach them.
func guests(f *fixture) {
	f.overlay("open", "--attachable", "--subnet", "10.44.0.0/24")
	f.overlay("shut")
	f.service("web", "--replicas", "2", "--network", "open", "--env", "TASK_NAME=web.{{.Task.Slot}}")
	run := func(host, name string, args ...string) place {
		all := append([]string{"run", "-d", "--label", "test", "--name", name, "--env", "TASK_NAME=" + name}, args...)
		return place{host, f.docker(host, append(all, hosts.WhoamiImage)...)}
	}
	near, far := run("m1", "near", "--network", "open"), run("w1", "far", "--network", "open", "--network-alias", "distant")
	both := []string{"web.1", "web.2"}

	f.sub("reach and are reached", func(f *fixture) {
		f.reachable(near, "http://web:8080/who", "http://far:8080/who")
		for _, from := range []place{near, far} {
			f.answers(from, 8, both, "http://web:8080/who", "http://tasks.web:8080/who", "udp://web:8080")
			f.answers(from, 2, []string{"far"}, "http://far:8080/who", "http://distant:8080/who")
			f.answers(from, 2, []string{"near"}, "http://near:8080/who")
		}
		host := f.docker("m1", "service", "ps", "--filter", "desired-state=running", "--format", "{{.Node}}", "web")
		from := f.task(strings.Fields(host)[0], "web")
		f.answers(from, 2, []string{"far"}, "http://far:8080/who")
		f.answers(from, 2, []string{"near"}, "http://near:8080/who")
	})
	f.sub("addresses asked for", func(f *fixture) {
		p := run("w2", "fixed", "--network", "open", "--ip", "10.44.0.200")
		if got := f.address(p, "open"); got != "10.44.0.200" {
			f.t.Errorf("a container that asked for 10.44.0.200 has %s", got)
		}
		f.reachable(near, "http://10.44.0.200:8080/who")
	})
	f.sub("connected later", func(f *fixture) {
		late := run("m2", "late")
		f.docker("m2", "network", "connect", "open", "late")
		f.reachable(late, "http://"+f.address(near, "open")+":8080/who", "http://"+f.vip("web", "open")+":8080/who")
		f.reachable(near, "http://late:8080/who")
		addr := f.address(late, "open")
		f.docker("m2", "network", "disconnect", "open", "late")
		f.unreachable(late, "http://"+f.address(near, "open")+":8080/who")
		f.eventually(settleLimit, func() string {
			found, err := f.tryLookup(near, "late")
			if err != nil || !unknown(found["late"]) {
				return "late is still a name though it left"
			}
			return ""
		})
		f.unreachable(near, "http://"+addr+":8080/who")
	})
	f.sub("told", func(f *fixture) {
		said := f.docker("m1", "network", "inspect", "--verbose", "open")
		for _, want := range []string{`"Peers"`, `"Services"`, `"web"`, `"near"`, f.Host("w1").Address.String()} {
			if !strings.Contains(said, want) {
				f.t.Errorf("docker network inspect --verbose does not tell of %s:\n%s", want, said)
			}
		}
	})
	f.sub("refused", func(f *fixture) {
		f.refused("w1", "not manually attachable", "run", "--rm", "--label", "test", "--network", "shut", hosts.WhoamiImage)
		f.refused("m1", "is in use by", "network", "rm", "open")
	})
	f.sub("leave their addresses", func(f *fixture) {
		f.docker("w1", "rm", "-f", "far")
		f.eventually(settleLimit, func() string {
			found, err := f.tryLookup(near, "far", "distant", "near")
			if err != nil || !unknown(found["far"]) || !unknown(found["distant"]) || !slices.Equal(found["near"].Addrs, []string{f.address(near, "open")}) {
				return "far is still a name though it is gone"
			}
			return ""
		})
	})
}
