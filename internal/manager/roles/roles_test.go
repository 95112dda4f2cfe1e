package roles_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/moby/moby/api/types/swarm"
	"pgregory.net/rapid"

	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/manager/roles"
	"github.com/skep-org/skep/internal/manager/stagetest"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// world is a stage world with nodes that have identities.
type world struct {
	*stagetest.World
	t     *testing.T
	nodes []string
	down  map[string]bool
	lead  string
}

// TestScripts: node NAME [manager] [for=DURATION], ask NAME ROLE, rm NAME, enter NAME [learner], leave NAME,
// down|up NAME, lead NAME, advance DURATION, renew NAME DURATION (a certificate while the planner's write is under
// way), demote NAME, unwanted, show.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		w := &world{World: stagetest.New(t), t: t, down: map[string]bool{}}
		w.Add(roles.New())
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			w.t = t
			return w.command(d)
		})
	})
}

func (w *world) command(d *datadriven.TestData) string {
	name, second := "", ""
	if len(d.CmdArgs) > 0 {
		name = d.CmdArgs[0].Key
	}
	if len(d.CmdArgs) > 1 {
		second = d.CmdArgs[1].Key
	}
	switch d.Cmd {
	case "node":
		w.node(d, name)
	case "ask":
		w.EditNode(name, func(s *swarm.NodeSpec) { s.Role = swarm.NodeRole(second) })
	case "rm":
		w.RemoveNode(name)
	case "enter":
		id := w.ID(name)
		w.Write(store.WriterRaft, store.Members.Put(&model.Member{RaftID: raftID(name), NodeID: id, Addr: name + ":2377", Learner: second == "learner"}))
	case "leave":
		w.Write(store.WriterRaft, store.Members.Delete(model.KeyOf(model.NumID(raftID(name)))))
	case "down", "up":
		w.down[name] = d.Cmd == "down"
		return ""
	case "lead":
		w.lead = name
		return ""
	case "advance":
		w.Advance(w.duration(name))
	case "demote":
		return fmt.Sprintf("%v\n", w.group().Demote(w.View(), w.ID(name)))
	case "unwanted":
		var out strings.Builder
		for _, m := range w.group().Unwanted(w.View()) {
			fmt.Fprintf(&out, "%s: %v\n", w.name(m.Node), w.group().Remove(m.RaftID))
		}
		return out.String()
	default:
		w.t.Fatalf("unknown command %s", d.Cmd)
	}
	w.Settle()
	return w.show()
}

func (w *world) node(d *datadriven.TestData, name string) {
	role, life := swarm.NodeRole("worker"), "1000h"
	granted := model.RoleWorker
	for _, a := range d.CmdArgs[1:] {
		switch a.Key {
		case "manager":
			role, granted = "manager", model.RoleManager
		case "for":
			life = a.Vals[0]
		}
	}
	w.Node(name)
	w.nodes = append(w.nodes, name)
	w.EditNode(name, func(s *swarm.NodeSpec) { s.Role = role })
	w.Write(store.WriterIdentity, store.NodeIdentities.Put(&model.NodeIdentity{ID: w.ID(name), Role: granted, NotAfter: w.Now().Add(w.duration(life)).UnixNano()}))
}

func (w *world) duration(s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

func raftID(name string) uint64 { return uint64(name[0]) }

func (w *world) name(id model.ID) string {
	for _, n := range w.nodes {
		if w.ID(n) == id {
			return n
		}
	}
	return id.String()
}

// group is what the leader sees.
func (w *world) group() roles.Group {
	g := roles.Of(w.View(), model.ID{})
	for i, m := range g {
		g[i].Active, g[i].Leader = !w.down[w.name(m.Node)], w.name(m.Node) == w.lead
	}
	return g
}

func (w *world) show() string {
	var out strings.Builder
	v := w.View()
	for _, n := range w.nodes {
		id, parts := w.ID(n), []string{}
		if s := store.NodeSpecs.ByID(v, id); s != nil {
			parts = append(parts, "asked "+string(s.Spec.Get().Role))
		}
		if i := store.NodeIdentities.ByID(v, id); i != nil {
			parts = append(parts, "granted "+string(i.Role.Swarm()))
		}
		if m := store.MemberOf(v, id); m != nil {
			parts = append(parts, map[bool]string{false: "votes", true: "learns"}[m.Learner])
		}
		if r := store.Revocations.ByID(v, id); r != nil {
			parts = append(parts, "revoked for "+time.Unix(0, r.Until).Sub(stagetest.Start()).Round(time.Hour).String())
		}
		fmt.Fprintf(&out, "%s: %s\n", n, strings.Join(parts, ", "))
	}
	return out.String()
}

// A certificate that is renewed while the planner's own write is under way is not lost: the planner's is refused and
// made anew.
func TestARenewalIsNotOverwritten(t *testing.T) {
	w := stagetest.New(t)
	w.Node("a")
	id := w.ID("a")
	w.EditNode("a", func(s *swarm.NodeSpec) { s.Role = swarm.NodeRoleManager })
	w.Write(store.WriterIdentity, store.NodeIdentities.Put(&model.NodeIdentity{ID: id, NotAfter: 1}))
	l := control.NewLoop(roles.New(), w.Store, renewing{w, id}, w.Clock)
	for range 3 {
		if _, err := l.Step(w.Now()); err != nil {
			t.Fatal(err)
		}
		w.Advance(time.Second)
	}
	if row := store.NodeIdentities.ByID(w.View(), id); row.NotAfter != 2 || row.Role != model.RoleManager {
		t.Fatalf("role %d, not after %d", row.Role, row.NotAfter)
	}
}

// renewing is a committer before which, once, a certificate is renewed.
type renewing struct {
	w  *stagetest.World
	id model.ID
}

func (r renewing) Commit(b *store.Batch) *store.Pending {
	if row := *store.NodeIdentities.ByID(r.w.View(), r.id); row.NotAfter == 1 {
		row.NotAfter = 2
		r.w.Write(store.WriterIdentity, store.NodeIdentities.Put(&row))
	}
	return store.Direct{Store: r.w.Store, Now: r.w.Now}.Commit(b)
}

// TestAcceptedChangesLeaveAQuorum: whatever members come, go and fail, as long as failures alone leave a majority, every
// change the rules accept leaves one too; and what the rules refuse would not have.
func TestAcceptedChangesLeaveAQuorum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := roles.Group{{RaftID: 1, Active: true}}
		for next := uint64(2); next < 40; next++ {
			i := rapid.IntRange(0, len(g)-1).Draw(t, "member")
			switch rapid.SampledFrom([]string{"learn", "vote", "fail", "heal", "remove", "remove"}).Draw(t, "event") {
			case "learn":
				g = append(g, roles.Member{RaftID: next, Learner: true, Active: true})
			case "vote": // only a learner that has answered and caught up is promoted
				if g[i].Active {
					g[i].Learner = false
				}
			case "fail":
				if was := g[i].Active; was {
					g[i].Active = false
					g[i].Active = !majority(g)
				}
			case "heal":
				g[i].Active = true
			case "remove":
				err := g.Remove(g[i].RaftID)
				without := append(append(roles.Group{}, g[:i]...), g[i+1:]...)
				switch {
				case err == nil:
					g = without
				case majority(without):
					t.Fatalf("%v: %+v can do without member %d", err, g, g[i].RaftID)
				case !errors.Is(err, roles.ErrQuorum) && !errors.Is(err, roles.ErrLastManager):
					t.Fatalf("refused with %v", err)
				}
			}
			if !majority(g) {
				t.Fatalf("no majority answers in %+v", g)
			}
		}
	})
}

// majority is the definition, written another way than the rule.
func majority(g roles.Group) bool {
	balance, voters := 0, 0
	for _, m := range g {
		if m.Learner {
			continue
		}
		voters++
		if m.Active {
			balance++
		} else {
			balance--
		}
	}
	return voters > 0 && balance > 0
}

// TestAcceptedDemotionsCanAllBeCarriedOut: demotions are accepted one by one before any is carried out; afterwards the
// group gets rid of all of them in the order Unwanted gives, and keeps a majority on the way.
func TestAcceptedDemotionsCanAllBeCarriedOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := stagetest.New(t)
		var g roles.Group
		n := rapid.IntRange(1, 7).Draw(t, "managers")
		for i := range n {
			name := fmt.Sprint("n", i)
			w.Node(name)
			w.EditNode(name, func(s *swarm.NodeSpec) { s.Role = swarm.NodeRoleManager })
			g = append(g, roles.Member{RaftID: uint64(i + 1), Node: w.ID(name), Active: i <= n/2 || rapid.Bool().Draw(t, "active"), Leader: i == 0})
		}
		for i := range n {
			if rapid.Bool().Draw(t, "demote") && g.Demote(w.View(), g[i].Node) == nil {
				w.EditNode(fmt.Sprint("n", i), func(s *swarm.NodeSpec) { s.Role = swarm.NodeRoleWorker })
			}
		}
		for range n {
			if list := g.Unwanted(w.View()); len(list) > 0 {
				if err := g.Remove(list[0].RaftID); err != nil {
					t.Fatalf("an accepted demotion cannot be carried out: %v: %+v of %+v", err, list[0], g)
				}
				var rest roles.Group
				for _, m := range g {
					if m.RaftID != list[0].RaftID {
						rest = append(rest, m)
					}
				}
				g = rest
			}
			if !majority(g) {
				t.Fatalf("no majority answers in %+v", g)
			}
		}
		if left := g.Unwanted(w.View()); len(left) > 0 {
			t.Fatalf("%+v are still members", left)
		}
	})
}
