package network

import (
	"strings"
	"time"
)

// promisedReset is how long after a host lost its power requests may fail.
const promisedReset = 3 * time.Second

// power cuts a host's power under load: what fails was sent within three seconds of it, by new connections, by kept
// ones, and by UDP sockets whose datagrams went to that host.
func power(f *fixture) {
	lost, left := "", []string{}
	for _, h := range []string{"w1", "w2"} {
		if f.docker(h, "-H", engineSocket, "ps", "-q", "--filter", "label=com.docker.swarm.service.name=app_web") != "" {
			lost = h
		}
	}
	if lost == "" {
		f.t.Fatal("no task runs on a worker, so the loss of one shows nothing")
	}
	for _, h := range f.Hosts() {
		if h.Name != lost {
			left = append(left, "http://"+h.Address.String()+":8080/who")
		}
	}
	caller := f.task("m3", "app_caller")
	f.reachable(outside(), left...)
	f.reachable(caller, "http://web:8080/who")
	clients := []*asker{
		f.atRate(outside(), left...),
		f.start(caller, "load", "-rate", "50", "-timeout", "5s", "http://web:8080/who"),
		f.start(caller, "load", "-rate", "20", "-timeout", "500ms", "-connections", "keep", "-idle", "16", "udp://web:8080"),
	}
	time.Sleep(time.Second)
	off := time.Now()
	f.must(f.Host(lost).Kill(f.t.Context()))
	reset := within(promisedReset)
	time.Sleep(reset + 3*time.Second)
	for _, c := range clients {
		r := c.report()
		last := time.Duration(0)
		for _, failure := range r.Failed {
			last = max(last, failure.At.Sub(off))
			if failure.At.Sub(off) > reset || failure.At.Add(failure.Took).Before(off) {
				f.t.Errorf("from %v, %v from the loss of power: %v", c.from, failure.At.Sub(off), failure)
			}
		}
		f.t.Logf("from %v: %d of %d requests failed, the last %v after the loss of power", c.from, r.Failures, r.Requests, last.Round(time.Millisecond))
	}
	f.must(f.Host(lost).Start(f.t.Context()))
	f.eventually(settleLimit, func() string {
		said, errs, err := f.try("m1", "docker", "node", "ls", "--format", "{{.Hostname}} {{.Status}}")
		if err != nil || strings.Count(said, "Ready") != len(f.Hosts()) {
			return said + errs
		}
		return f.behind("app_web")
	})
	f.reachable(outside(), f.webs()...)
}
