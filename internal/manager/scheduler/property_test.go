package scheduler

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/manager/resources"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"pgregory.net/rapid"
)

// TestWhatIsCountedIsWhatTheRowsSay: whatever happens, no node gets more than it has, no task waits that fits, a
// planner that saw every change has counted what a new one counts, and neither would place another task.
func TestWhatIsCountedIsWhatTheRowsSay(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(rt)
		p := New()
		w.loop = control.NewLoop(p, w.s, w.direct(), w.clock)
		slots := map[string]int{}
		w.do("service big cpu=2 spread=node.labels.zone")
		w.do("service small cpu=1 max=3")
		w.do("service port port=80 constraint=node.labels.zone!=b")
		w.do("service pinned cpu=1")
		w.do("service gpu generic=gpu:1")
		w.do("service gpus generic=gpu:2,ssd:1")
		service := rapid.SampledFrom([]string{"big", "small", "port", "pinned", "gpu", "gpus"})
		node := rapid.SampledFrom([]string{"n1", "n2", "n3", "n4"})
		anyTask := func(rt *rapid.T) *model.Task {
			var all []*model.Task
			for t := range store.Tasks.All(w.s.View()) {
				all = append(all, t)
			}
			if len(all) == 0 {
				rt.Skip("no task")
			}
			return rapid.SampledFrom(all).Draw(rt, "task")
		}
		rt.Repeat(map[string]func(*rapid.T){
			"node": func(rt *rapid.T) {
				w.do(fmt.Sprintf("node %s cpu=%d generic=%s label.zone=%s avail=%s reach=%s", node.Draw(rt, "node"),
					rapid.IntRange(0, 6).Draw(rt, "cpu"),
					rapid.SampledFrom([]string{"gpu/a,gpu/b,gpu/c,ssd:2", "gpu/c,gpu/d,ssd:2", "gpu:3,ssd/x", ""}).Draw(rt, "generic"),
					rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "zone"),
					rapid.SampledFrom([]string{"active", "active", "drain"}).Draw(rt, "availability"),
					rapid.SampledFrom([]string{"ready", "ready", "down"}).Draw(rt, "reach")))
			},
			"remove node": func(rt *rapid.T) {
				n := node.Draw(rt, "node")
				if store.NodeSpecs.ByID(w.s.View(), w.id(n)) == nil {
					rt.Skip("does not exist")
				}
				w.do("remove " + n)
			},
			"tasks": func(rt *rapid.T) {
				name := service.Draw(rt, "service")
				from := slots[name] + 1
				slots[name] += rapid.IntRange(1, 4).Draw(rt, "count")
				extra := ""
				if name == "pinned" {
					extra = " node=" + node.Draw(rt, "node")
				}
				w.do(fmt.Sprintf("tasks %s slots=%d-%d%s", name, from, slots[name], extra))
			},
			"stop":   func(rt *rapid.T) { w.do("desired " + w.names[anyTask(rt).ID] + " is=shutdown") },
			"remove": func(rt *rapid.T) { w.do("remove " + w.names[anyTask(rt).ID]) },
			"end": func(rt *rapid.T) {
				t := anyTask(rt)
				if pl := store.Placements.ByID(w.s.View(), t.ID); pl == nil || pl.NodeID.IsZero() {
					rt.Skip("never placed")
				}
				if s := store.Statuses.ByID(w.s.View(), t.ID); s != nil && s.State.Terminal() {
					rt.Skip("ended")
				}
				w.do("status " + w.names[t.ID] + " is=" + rapid.SampledFrom([]string{"failed", "complete", "running"}).Draw(rt, "state"))
			},
			"time": func(*rapid.T) { w.do("wait 1m") },
			"": func(rt *rapid.T) {
				before := placedAt(w.s.View())
				w.settle()
				checkCapacity(rt, w, before)
				checkGeneric(rt, w, before)
				checkFresh(rt, w, p)
			},
		})
	})
}

func placedAt(v store.View) map[model.ID]model.ID {
	at := map[model.ID]model.ID{}
	for p := range store.Placements.All(v) {
		if !p.NodeID.IsZero() {
			at[p.TaskID] = p.NodeID
		}
	}
	return at
}

// checkCapacity adds up from the rows alone. A node may shrink under its tasks, but is given none then.
func checkCapacity(t *rapid.T, w *world, before map[model.ID]model.ID) {
	v := w.s.View()
	type use struct {
		cpu         int64
		ports, max  int
		anythingNew bool
	}
	uses := map[model.ID]*use{}
	for p := range store.Placements.All(v) {
		task := store.Tasks.ByID(v, p.TaskID)
		if task == nil {
			t.Fatalf("the placement of %s outlived its task", w.names[p.TaskID])
		}
		if old, was := before[p.TaskID]; was && old != p.NodeID {
			t.Fatalf("%s was moved", w.names[p.TaskID])
		}
		if p.NodeID.IsZero() == (p.Err == "") {
			t.Fatalf("%s says neither a node nor a reason", w.names[p.TaskID])
		}
		s := store.Statuses.ByID(v, p.TaskID)
		if p.NodeID.IsZero() || s != nil && s.State.Terminal() {
			continue
		}
		u := uses[p.NodeID]
		if u == nil {
			u = &use{}
			uses[p.NodeID] = u
		}
		if strings.HasPrefix(w.names[task.ServiceID], "gpu") {
			continue // asks for nothing of this, see checkGeneric
		}
		_, old := before[p.TaskID]
		u.anythingNew = u.anythingNew || !old
		switch w.names[task.ServiceID] {
		case "big":
			u.cpu += 2
		case "small":
			u.cpu++
			if task.Desired < model.StateShutdown {
				u.max++
			}
		case "port":
			u.ports++
		case "pinned":
			u.cpu++
		}
	}
	for id, u := range uses {
		if !u.anythingNew {
			continue
		}
		node := store.NodeStates.ByID(v, id)
		onlyPorts := u.cpu > node.Description.Get().Resources.NanoCPUs && u.ports > 0
		if u.cpu > node.Description.Get().Resources.NanoCPUs && !onlyPorts || u.ports > 1 || u.max > 3 {
			t.Fatalf("%s was given more than it has: %+v", w.names[id], *u)
		}
	}
}

// checkGeneric: no two tasks that may still run have the same value of a node, and a task has as much as it asked for.
func checkGeneric(t *rapid.T, w *world, before map[model.ID]model.ID) {
	v := w.s.View()
	type held struct {
		node model.ID
		resources.Named
	}
	holder := map[held]model.ID{}
	for p := range store.Placements.All(v) {
		s := store.Statuses.ByID(v, p.TaskID)
		if p.NodeID.IsZero() || s != nil && s.State.Terminal() {
			continue
		}
		has := resources.Of(&swarm.Resources{GenericResources: p.Generic}).Generic
		want := map[string]map[string]int64{"gpu": {"gpu": 1}, "gpus": {"gpu": 2, "ssd": 1}}[w.names[store.Tasks.ByID(v, p.TaskID).ServiceID]]
		if !maps.Equal(has, want) {
			t.Fatalf("%s has %v", w.names[p.TaskID], has)
		}
		_, old := before[p.TaskID]
		offered := store.NodeStates.ByID(v, p.NodeID)
		for _, g := range p.Generic {
			if g.NamedResourceSpec == nil {
				continue
			}
			at := held{p.NodeID, resources.Named(*g.NamedResourceSpec)}
			if other, taken := holder[at]; taken {
				t.Fatalf("%s and %s both have %v of %s", w.names[p.TaskID], w.names[other], at.Named, w.names[at.node])
			}
			holder[at] = p.TaskID
			if !old && !slices.Contains(resources.OfferOf(&offered.Description.Get().Resources).Names[at.Kind], at.Value) {
				t.Fatalf("%s was given %v, which %s does not have", w.names[p.TaskID], at.Named, w.names[at.node])
			}
		}
	}
}

// checkFresh compares with a planner that sees the state for the first time.
func checkFresh(t *rapid.T, w *world, p *Planner) {
	v, fresh := w.s.View(), New()
	res, err := fresh.Plan(v, fresh.All(v), w.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range res.Changes {
		// A reason is that of the last attempt: a node may since refuse for another one, but not accept.
		if pl, ok := c.Row.(*model.Placement); !ok || !pl.NodeID.IsZero() {
			t.Fatalf("a new leader would write %s: %+v", w.names[c.Key.A], c.Row)
		}
	}
	a, b := &p.usage, &fresh.usage
	if !maps.EqualFunc(a.tasks, b.tasks, func(x, y counted) bool {
		return x.node.id == y.node.id && x.demand.revision == y.demand.revision && x.active == y.active
	}) {
		t.Fatal("other tasks are counted")
	}
	if !maps.EqualFunc(a.waiting, b.waiting, func(x, y *group) bool { return x.key == y.key && x.size == y.size }) {
		t.Fatal("other tasks wait")
	}
	if !maps.EqualFunc(a.nodes, b.nodes, func(x, y *node) bool {
		return x.present == y.present && x.ready == y.ready && x.room.Used.NanoCPUs == y.room.Used.NanoCPUs && x.active == y.active &&
			x.tasks == y.tasks && maps.Equal(x.ports, y.ports) &&
			maps.Equal(x.room.Used.Generic, y.room.Used.Generic) && maps.Equal(x.room.Held, y.room.Held)
	}) {
		t.Fatal("nodes are counted otherwise")
	}
	if !maps.EqualFunc(a.presences, b.presences, func(x, y *presence) bool { return maps.Equal(byNode(x), byNode(y)) }) {
		t.Fatal("services are counted otherwise")
	}
	if !maps.Equal(a.failed, b.failed) || len(a.groups) != len(b.groups) {
		t.Fatal("failures or groups differ")
	}
	if !maps.EqualFunc(a.demands, b.demands, func(x, y *demand) bool { return x.users == y.users }) {
		t.Fatal("demands are kept otherwise")
	}
}

func byNode(p *presence) map[model.ID]int {
	out := map[model.ID]int{}
	p.each(func(n *node, count int) { out[n.id] = count })
	return out
}
