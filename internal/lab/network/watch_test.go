package network

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

const (
	// promisedForget is how long after its end is known a task may still be told to who asks for its service's tasks.
	promisedForget = 500 * time.Millisecond
	// watchFor is how long names are looked at after each fault.
	watchFor = 2 * time.Second
)

// watcher compares what the name of a service's tasks leads to with the tasks there are.
type watcher struct {
	f  *fixture
	at place
}

func newWatcher(f *fixture) *watcher { return &watcher{f, f.task("m1", "watch")} }

// look asks for the tasks' addresses for a while and afterwards holds the answers against what the managers know: no
// address is told later than promised after they learnt that its task had ended, none twice, and none belongs to two
// tasks that run.
func (w *watcher) look() {
	w.f.t.Helper()
	w.at = w.f.task("m1", "watch") // an engine may have been restarted
	c := w.f.start(w.at, "names", "-every", "30ms", "-timeout", "2s", "tasks.flap")
	seen := map[string]life{}
	for end := time.Now().Add(watchFor); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		w.tasks(seen)
	}
	said := c.end()
	w.tasks(seen)
	if said == "" {
		w.f.t.Error("the watcher got no answer")
	}
	last := ""
	for line := range strings.Lines(said) {
		var a answer
		w.f.must(json.Unmarshal([]byte(line), &a))
		for i, addr := range a.Addrs {
			if slices.Contains(a.Addrs[:i], addr) {
				w.f.t.Errorf("tasks.flap leads to %s twice: %v", addr, a.Addrs)
			}
		}
		w.dead(seen, last, a)
		last = strings.Join(a.Addrs, " ")
	}
}

// answer is a line of `whoami names`.
type answer struct {
	At, Until time.Time
	Addrs     []string
}

// dead looks for addresses that were told although all who had them have ended.
func (w *watcher) dead(seen map[string]life, before string, a answer) {
	for _, addr := range strings.Fields(before) {
		ended, lives := time.Time{}, false
		for _, l := range seen {
			if l.addr != addr {
				continue
			}
			lives = lives || l.ended.IsZero()
			if l.ended.After(ended) {
				ended = l.ended
			}
		}
		if !lives && !ended.IsZero() && a.Until.After(ended.Add(within(promisedForget))) {
			w.f.t.Errorf("tasks.flap led to %s %v after its task's end was known", addr, a.Until.Sub(ended))
		}
	}
}

// life is a task's address and when the managers learnt of its end.
type life struct {
	addr  string
	ended time.Time
}

// tasks adds what the managers know of the tasks at this moment.
func (w *watcher) tasks(seen map[string]life) {
	w.f.t.Helper()
	ctx, cancel := context.WithTimeout(w.f.t.Context(), settleLimit)
	defer cancel()
	list, err := w.f.Host("m2").Docker().TaskList(ctx, client.TaskListOptions{Filters: client.Filters{}.Add("service", "flap")})
	w.f.must(err)
	runs := map[string]string{}
	for _, t := range list.Items {
		addr := taskAddress(t, "narrow")
		if addr == "" {
			continue
		}
		l := seen[t.ID]
		l.addr = addr
		switch {
		case t.Status.State == swarm.TaskStateRunning:
			if other := runs[addr]; other != "" {
				w.f.t.Errorf("the tasks %s and %s both have the address %s", other, t.ID, addr)
			}
			runs[addr] = t.ID
		case slices.Contains([]swarm.TaskState{swarm.TaskStateComplete, swarm.TaskStateFailed, swarm.TaskStateShutdown, swarm.TaskStateRejected, swarm.TaskStateOrphaned}, t.Status.State) && l.ended.IsZero():
			l.ended = t.Status.Timestamp
		}
		seen[t.ID] = l
	}
}

func taskAddress(t swarm.Task, network string) string {
	for _, n := range t.NetworksAttachments {
		if n.Network.Spec.Name == network && len(n.Addresses) > 0 {
			return strings.Split(fmt.Sprint(n.Addresses[0]), "/")[0]
		}
	}
	return ""
}
