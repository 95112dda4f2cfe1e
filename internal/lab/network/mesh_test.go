package network

import (
	"fmt"
	"strings"
	"time"

	"github.com/skep-org/skep/internal/lab/hosts"
)

// mesh publishes a port, TCP and UDP, of two tasks on two of five hosts, and asks for it from everywhere. Half of the
// answers come from a host other than the one that was asked, and half of a task's own questions lead to itself.
func mesh(f *fixture) {
	both := []string{"web.1", "web.2"}
	f.service("web", "--replicas", "2", "--constraint", "node.hostname!=m1", "--constraint", "node.hostname!=m3", "--constraint", "node.hostname!=w2",
		"--replicas-max-per-node", "1", "--hostname", "web.{{.Task.Slot}}", "--env", "TASK_NAME=web.{{.Task.Slot}}",
		"--publish", "published=8080,target=8080", "--publish", "published=8080,target=8080,protocol=udp")
	everywhere := f.everywhere(8080)
	f.reachable(outside(), everywhere...)

	f.sub("from outside", func(f *fixture) {
		r := f.answers(outside(), 8, both, everywhere...)
		for _, t := range r.Targets {
			if mine := f.Client().Address.String(); t.Failures == 0 && t.Remotes[mine] != t.Requests {
				f.t.Errorf("%s: the server took the client %s for %v", t.URL, mine, t.Remotes)
			}
		}
	})
	f.sub("from the hosts", func(f *fixture) {
		for _, h := range f.Hosts() {
			f.answers(at(h.Name), 8, both, append(everywhere, "http://127.0.0.1:8080/who", "udp://127.0.0.1:8080")...)
		}
	})
	f.sub("from containers of the engine", func(f *fixture) {
		for _, h := range []string{"m1", "m2", "w1"} { // one without a task and two with one
			f.answers(f.plain(h), 8, both, everywhere...)
		}
	})
	f.sub("from tasks", func(f *fixture) {
		f.overlay("elsewhere")
		f.service("asker", "--mode", "global", "--network", "elsewhere")
		for _, h := range []string{"m1", "m2"} {
			f.answers(f.task(h, "asker"), 8, both, everywhere...)
		}
	})
	f.sub("from its own tasks", func(f *fixture) {
		for _, h := range []string{"m2", "w1"} {
			f.answers(f.task(h, "web"), 8, both, everywhere...)
		}
	})
	f.sub("changed ports", changedPorts)
	f.sub("on the node alone", hostPorts)
}

// everywhere is a port of every host, TCP and UDP.
func (f *fixture) everywhere(port int) (all []string) {
	for _, h := range f.Hosts() {
		all = append(all, fmt.Sprintf("http://%s:%d/who", h.Name, port), fmt.Sprintf("udp://%s:%d", h.Name, port))
	}
	return f.numeric(all)
}

// numeric puts addresses in place of the hosts' names, which containers do not know.
func (f *fixture) numeric(urls []string) (all []string) {
	for _, u := range urls {
		for _, h := range f.Hosts() {
			u = strings.Replace(u, "//"+h.Name+":", "//"+h.Address.String()+":", 1)
		}
		all = append(all, u)
	}
	return all
}

// reachable waits until all targets answer.
func (f *fixture) reachable(from place, targets ...string) {
	f.t.Helper()
	f.eventually(settleLimit, func() string {
		r, err := f.tryAsk(from, 1, time.Second, targets...)
		if err != nil {
			return err.Error()
		}
		if r.Failures > 0 {
			return r.String()
		}
		return ""
	})
}

// plain runs a container that no task is, on the engine's own bridge.
func (f *fixture) plain(host string, args ...string) place {
	f.t.Helper()
	all := append([]string{"-H", engineSocket, "run", "-d", "--label", "test"}, args...)
	return place{host, f.docker(host, append(all, hosts.WhoamiImage)...)}
}

// changedPorts adds and removes published ports of a running service; automatic ones are told.
func changedPorts(f *fixture) {
	f.docker("m1", "service", "update", "--quiet", "--publish-rm", "8080/tcp", "--publish-rm", "8080/udp", "--publish-add", "published=8081,target=8080", "--publish-add", "target=8080", "web")
	f.reachable(outside(), f.numeric([]string{"http://m1:8081/who", "http://w2:8081/who"})...)
	f.unreachable(outside(), f.numeric([]string{"http://m1:8080/who", "udp://m2:8080", "http://w2:8080/who"})...)
	said := f.docker("m1", "service", "inspect", "--format", "{{range .Endpoint.Ports}}{{.PublishedPort}} {{end}}", "web")
	for _, port := range strings.Fields(said) {
		if port != "8081" {
			f.answers(outside(), 4, []string{"web.1", "web.2"}, f.numeric([]string{"http://m3:" + port + "/who", "http://w1:" + port + "/who"})...)
		}
	}
	if len(strings.Fields(said)) != 2 {
		f.t.Errorf("the service's ports are %q, wanted 8081 and one chosen", said)
	}
}

// hostPorts publishes ports on the task's own node only, one beside a port on all nodes.
func hostPorts(f *fixture) {
	f.service("alone", "--mode", "global", "--env", "TASK_NAME={{.Node.Hostname}}", "--publish", "published=8082,target=8080,mode=host",
		"--publish", "published=8082,target=8080,protocol=udp,mode=host", "--publish", "published=8083,target=8080")
	for _, h := range f.Hosts() {
		targets := f.numeric([]string{"http://" + h.Name + ":8082/who", "udp://" + h.Name + ":8082"})
		f.reachable(outside(), targets...)
		r := f.answers(outside(), 4, []string{h.Name}, targets...)
		for _, t := range r.Targets {
			if mine := f.Client().Address.String(); t.Failures == 0 && t.Remotes[mine] != t.Requests {
				f.t.Errorf("%s: the server took the client %s for %v", t.URL, mine, t.Remotes)
			}
		}
	}
	f.reachable(outside(), f.numeric([]string{"http://m1:8083/who", "http://w1:8083/who"})...)
	f.service("plain", "--replicas", "1", "--constraint", "node.hostname==w1", "--publish", "published=8084,target=8080,mode=host")
	f.answers(outside(), 2, []string{"plain.1@w1"}, f.numeric([]string{"http://w1:8084/who"})...)
}
