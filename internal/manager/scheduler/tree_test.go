package scheduler

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/manager/constraint"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"pgregory.net/rapid"
)

// TestTreeFindsWhatAskingAllNodesFinds: whatever the nodes are, have and run, task after task of a group goes where it would if
// every node were asked for each of them.
func TestTreeFindsWhatAskingAllNodesFinds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(rt)
		p := New()
		w.loop = control.NewLoop(p, w.s, w.direct(), w.clock)
		services := []string{
			"plain cpu=1", "spread cpu=1 mem=1 spread=node.labels.zone,engine.labels.rack", "ssd constraint=node.labels.disk==ssd,engine.labels.rack!=r1",
			"one max=1 spread=node.labels.disk", "port port=80", "log log=syslog platform=linux/amd64", "here constraint=node.hostname!=n2,node.labels.zone!=b",
		}
		name := func(line string) string { var n string; fmt.Sscan(line, &n); return n }
		for _, line := range services {
			w.do("service " + line)
		}
		slots := map[string]int{}
		add := func(rt *rapid.T, service string, most int) {
			from := slots[service] + 1
			slots[service] += rapid.IntRange(1, most).Draw(rt, "tasks")
			w.do(fmt.Sprintf("tasks %s slots=%d-%d", service, from, slots[service]))
		}
		for range rapid.IntRange(1, 6).Draw(rt, "steps") {
			for i := range rapid.IntRange(0, 5).Draw(rt, "nodes") {
				pick := func(what ...string) string { return rapid.SampledFrom(what).Draw(rt, "node") }
				w.do(fmt.Sprintf("node n%d cpu=%s mem=%s arch=%s plugin=%s label.zone=%s label.disk=%s engine.rack=%s avail=%s", rapid.IntRange(0, 9).Draw(rt, "number")+i,
					pick("0", "2", "9"), pick("3", "9"), pick("x86_64", "aarch64"), pick("", "Log/syslog", "Log/other"), pick("a", "b", "c"),
					pick("ssd", "hdd"), pick("r1", "r2"), pick("active", "active", "pause")))
			}
			w.settle()
			service := name(rapid.SampledFrom(services).Draw(rt, "service"))
			if rapid.IntRange(0, 3).Draw(rt, "fail") == 0 {
				failOften(w, p, service)
			}
			add(rt, service, 12)
			want := askAll(w, p, service)
			w.settle()
			for task, node := range want {
				pl := store.Placements.ByID(w.s.View(), task)
				if pl == nil || pl.NodeID != node {
					rt.Fatalf("%s is on %q, asking all nodes says %q", w.names[task], w.names[pl.NodeID], w.names[node])
				}
			}
		}
	})
}

// failOften makes one node the last to get a service's tasks.
func failOften(w *world, p *Planner, service string) {
	rev := store.Services.ByID(w.s.View(), w.id(service)).Revision
	for i := range maxFailures {
		p.usage.noteFailure(w.id(fmt.Sprintf("failed%d", i)), failureKey{rev, w.id("n3")}, w.clock.Now().UnixNano())
	}
}

// askAll says where the waiting tasks of a service go, by the definition: the node with the least of everything that counts.
func askAll(w *world, p *Planner, service string) map[model.ID]model.ID {
	v, fresh := w.s.View(), New()
	r := &round{usage: &fresh.usage, v: v, now: w.clock.Now()}
	r.startOver()
	fresh.usage.failures = p.usage.failures
	out := map[model.ID]model.ID{}
	for _, g := range fresh.usage.groups {
		if g.demand.present.service != w.id(service) {
			continue
		}
		g.sort(func(model.ID) bool { return true })
		for _, t := range slices.Clone(g.line) {
			n := leastOfAll(r, g)
			if n == nil {
				out[t.id] = model.ID{}
				continue
			}
			out[t.id] = n.id
			fresh.usage.count(t.id, &model.Placement{TaskID: t.id, NodeID: n.id}, g.demand, true)
		}
	}
	return out
}

func leastOfAll(r *round, g *group) *node {
	branches := map[string]int{}
	path := func(n *node) (out []string) {
		at := ""
		for _, descriptor := range g.demand.spread {
			value, _ := constraint.Label(descriptor, n.attrs)
			at += "/" + value
			out = append(out, at)
		}
		return out
	}
	for _, n := range r.usage.nodes {
		for _, at := range path(n) {
			branches[at] += g.demand.present.on(n)
		}
	}
	var best *node
	before := func(a, b *node) bool {
		pa, pb := path(a), path(b)
		for i := range pa {
			if pa[i] != pb[i] {
				return cmp.Or(cmp.Compare(branches[pa[i]], branches[pb[i]]), cmp.Compare(pa[i], pb[i])) < 0
			}
		}
		fails := func(n *node) int { return r.usage.recentFailures(failureKey{g.key.revision, n.id}, r.now) }
		own := g.demand.present.on
		return cmp.Or(cmp.Compare(fails(a), fails(b)), cmp.Compare(own(a), own(b)), cmp.Compare(a.active, b.active), a.id.Compare(b.id)) < 0
	}
	for _, n := range r.usage.nodes {
		if n.present && n.refuses(g.demand) == fits && (best == nil || before(n, best)) {
			best = n
		}
	}
	return best
}

// TestASmallServiceIsNotHeldUp: what many tasks of one service, and what fits nowhere, have to wait for is not what others wait for.
func TestASmallServiceIsNotHeldUp(t *testing.T) {
	w := newWorld(t)
	w.do("node a")
	w.do("service huge")
	w.do("service nowhere constraint=node.labels.x==y")
	w.do("service small")
	w.do(fmt.Sprintf("tasks huge slots=1-%d", roundLimit))
	w.do(fmt.Sprintf("tasks nowhere slots=1-%d", groupLimit+1))
	w.do("tasks small slots=1")
	p := New()
	w.loop = control.NewLoop(p, w.s, w.direct(), w.clock)
	if _, err := w.loop.Step(w.clock.Now()); err != nil {
		t.Fatal(err)
	}
	if on := placedAt(w.s.View()); len(on) != roundLimit || on[w.id("small.1")] != w.id("a") {
		t.Fatalf("%d tasks are placed, the small service's on %q", len(on), w.names[on[w.id("small.1")]])
	}
	w.settle()
	if on := placedAt(w.s.View()); len(on) != roundLimit+1 {
		t.Fatalf("%d tasks are placed", len(on))
	}
}
