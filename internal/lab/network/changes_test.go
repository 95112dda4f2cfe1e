package network

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/skep-org/skep/examples/whoami/load"
	"github.com/skep-org/skep/internal/lab/hosts"
	"github.com/skep-org/skep/internal/lab/hosts/guest"
)

var updates = flag.Int("updates", 20, "updates of a service of six tasks under load; 167 are a thousand replacements")

// app is the service under load. Its server finishes what it was asked when it is told to end; nothing runs on m3, so
// that all that is asked of m3 is answered elsewhere. The stock command takes a healthcheck that needs no shell from a
// stack only. It finds a new server soon and then costs little.
// Updates are watched for no time that counts; a time of nothing would be Docker's default of five seconds.
const app = `version: "3.8"
services:
  web:
    image: ` + hosts.WhoamiImage + `
    environment: {TASK_NAME: "{{.Task.Slot}}@{{.Node.Hostname}}"}
    healthcheck: {test: ["CMD", "/whoami", "-healthcheck", "-hold", "10s"], interval: 200ms, timeout: 30s, retries: 3}
    ports: [{target: 8080, published: 8080}]
    networks: [inner]
    deploy:
      replicas: 6
      placement: {constraints: ["node.hostname!=m3"]}
      update_config: {parallelism: 2, monitor: 1ms, delay: 0s, order: ORDER}
      restart_policy: {condition: any, delay: 100ms}
  caller:
    image: ` + hosts.WhoamiImage + `
    networks: [inner]
    deploy: {placement: {constraints: ["node.hostname==m3"]}}
networks:
  inner: {driver: overlay, labels: {test: ""}, driver_opts: {OPTIONS}}
`

// changes replaces, adds and removes tasks of a service while it is asked through every node and by its name, and
// restarts what programs the kernel. Not one request fails.
func changes(f *fixture) {
	options := ""
	if *sealed {
		options = `encrypted: ""`
	}
	f.stack("app", strings.NewReplacer("ORDER", "stop-first", "OPTIONS", options).Replace(app))
	f.eventually(settleLimit, func() string { return f.behind("app_web") + f.behind("app_caller") })
	web := f.webs()
	f.reachable(outside(), web...)
	f.reachable(f.task("m3", "app_caller"), "http://web:8080/who")

	f.sub("updates", func(f *fixture) {
		f.unanswered(0, func() {
			for range *updates {
				f.update("app_web", "--force")
			}
		})
	})
	f.sub("new before old", func(f *fixture) {
		f.unanswered(0, func() { f.update("app_web", "--force", "--update-order", "start-first") })
	})
	f.sub("scaled", func(f *fixture) {
		f.unanswered(0, func() {
			f.scale("app_web", 2)
			f.scale("app_web", 6)
		})
	})
	f.sub("drained", func(f *fixture) {
		f.unanswered(0, func() {
			f.docker("m1", "node", "update", "--availability", "drain", "w1")
			f.eventually(settleLimit, func() string {
				if left := f.docker("w1", "-H", engineSocket, "ps", "-q"); left != "" {
					return "w1 still runs " + left
				}
				return f.behind("app_web")
			})
			f.docker("m1", "node", "update", "--availability", "active", "w1")
		})
	})
	f.sub("daemons restarted", func(f *fixture) {
		// Packets are not the daemon's business. Names are: who asks for one meanwhile hears nothing, and asks again.
		byAddress := f.start(f.task("m3", "app_caller"), "load", "-rate", "50", "-timeout", "5s", "http://"+f.vip("app_web", "app_inner")+":8080/who")
		f.unanswered(0, func() {
			f.restart("w1", hosts.Daemon, syscall.SIGTERM)
			f.restart("w2", hosts.Daemon, syscall.SIGKILL)
			f.restart("m1", hosts.Daemon, syscall.SIGTERM)
			f.restart("m3", hosts.Daemon, syscall.SIGKILL)
		})
		f.judge(byAddress, 0)
	})
	f.sub("an engine restarted", func(f *fixture) {
		// The caller on m3 ends with its engine's containers: only the port is asked.
		client := f.atRate(outside(), web...)
		f.restart("m3", hosts.Engine, syscall.SIGTERM)
		f.judge(client, 0)
		f.eventually(settleLimit, func() string { return f.behind("app_caller") })
		f.reachable(f.task("m3", "app_caller"), "http://web:8080/who")
	})
	f.sub("power lost", power)
}

// webs is the published port of the stack on every host.
func (f *fixture) webs() (all []string) {
	for _, h := range f.Hosts() {
		all = append(all, fmt.Sprintf("http://%s:8080/who", h.Address))
	}
	return all
}

// unanswered asks through every node from outside, and by name from a task, while something is done, and wants no more
// failures than that.
func (f *fixture) unanswered(most int, meanwhile func()) {
	f.t.Helper()
	clients := []*asker{f.atRate(outside(), f.webs()...), f.start(f.task("m3", "app_caller"), "load", "-rate", "50", "-timeout", "5s", "http://web:8080/who")}
	time.Sleep(200 * time.Millisecond)
	meanwhile()
	time.Sleep(200 * time.Millisecond)
	for _, c := range clients {
		f.judge(c, most)
	}
}

// judge ends a client and counts its failures.
func (f *fixture) judge(c *asker, most int) *load.Report {
	f.t.Helper()
	r := c.report()
	f.t.Logf("from %v: %v", c.from, r)
	if r.Failures > most {
		f.t.Errorf("%d requests from %v failed", r.Failures, c.from)
	}
	if r.Requests < int(10*r.Seconds) {
		f.t.Errorf("the client at %v sent %d requests in %.0f s only", c.from, r.Requests, r.Seconds)
	}
	return r
}

// stack deploys a stack.
func (f *fixture) stack(name, text string) {
	f.t.Helper()
	path := filepath.Join(f.t.TempDir(), name+".yml")
	f.must(os.WriteFile(path, []byte(text), 0o600))
	f.docker("m1", "stack", "deploy", "--resolve-image", "never", "--compose-file", path, name)
}

// update updates a service and waits until it is done. Until the update begins the service has no update status.
func (f *fixture) update(name string, args ...string) {
	f.t.Helper()
	f.docker("m1", append(append([]string{"service", "update", "--detach", "--no-resolve-image"}, args...), name)...)
	f.eventually(settleLimit, func() string {
		if said := f.docker("m1", "service", "inspect", "--format", "{{with .UpdateStatus}}{{.State}} {{.Message}}{{end}}", name); !strings.HasPrefix(said, "completed") {
			return "the update of " + name + " is " + said
		}
		return ""
	})
}

// scale changes the number of tasks and waits until there are so many, the last container gone.
func (f *fixture) scale(name string, n int) {
	f.t.Helper()
	f.docker("m1", "service", "scale", "--detach", fmt.Sprintf("%s=%d", name, n))
	f.eventually(settleLimit, func() string {
		there := 0
		for _, h := range f.Hosts() {
			there += len(strings.Fields(f.docker(h.Name, "-H", engineSocket, "ps", "-q", "--filter", "label=com.docker.swarm.service.name="+name)))
		}
		if there != n {
			return fmt.Sprintf("%d containers of %s run, wanted %d", there, name, n)
		}
		return f.behind(name)
	})
}

// anew says, once a program of a host was told to end, whether another one of it answers: empty, then.
func (f *fixture) anew(host, program string) func() string {
	f.t.Helper()
	before := f.run(host, "cat", guest.PidFile(program))
	return func() string {
		now, errs, err := f.try(host, "cat", guest.PidFile(program))
		if err != nil || now == before {
			return fmt.Sprintf("%s of %s is not started again: %s", program, host, errs)
		}
		if _, errs, err := f.try(host, "docker", "ps", "-q"); err != nil {
			return errs
		}
		return ""
	}
}

// restart ends a program of a host, which is started again, and waits until it answers.
func (f *fixture) restart(host, program string, sig syscall.Signal) {
	f.t.Helper()
	anew := f.anew(host, program)
	f.must(f.Host(host).Signal(f.t.Context(), program, sig))
	f.eventually(settleLimit, anew)
	f.eventually(settleLimit, func() string {
		said, errs, err := f.try("m2", "docker", "node", "ls", "--format", "{{.Hostname}} {{.Status}}")
		if err != nil || strings.Count(said, "Ready") != len(f.Hosts()) {
			return said + errs
		}
		return ""
	})
}
