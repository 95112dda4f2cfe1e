package allocator

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"pgregory.net/rapid"
)

// place is an address on a network.
type place struct {
	network model.ID
	addr    netip.Addr
}

// cluster is what the property test draws from, with small networks so that they fill up.
type cluster struct {
	*world
	tasks, guests, revs int
}

func (c *cluster) do(line string) { c.world.do(strings.Fields(line)) }

func (c *cluster) actions() map[string]func(*rapid.T) {
	service := rapid.SampledFrom([]string{"s1", "s2", "s3"})
	nets := rapid.SampledFrom([]string{"", "a", "b", "a,b", "a,host"})
	mode := rapid.SampledFrom([]string{"", "", "dnsrr"})
	port := rapid.SampledFrom([]string{"", "ingress:80", "ingress:8080:80", "ingress:80,ingress:30000:81", "8080:80"})
	there := func(rt *rapid.T, name string) {
		v, id := c.s.View(), c.id(name)
		if store.Services.ByID(v, id) == nil && store.Tasks.ByID(v, id) == nil && store.Attachments.ByID(v, id) == nil && store.NodeSpecs.ByID(v, id) == nil {
			rt.Skip("not there")
		}
	}
	someTask := func(rt *rapid.T) string { return fmt.Sprint("t", rapid.IntRange(1, max(1, c.tasks)).Draw(rt, "task")) }
	return map[string]func(*rapid.T){
		"service": func(rt *rapid.T) {
			c.revs++
			name, p, m := service.Draw(rt, "service"), port.Draw(rt, "port"), mode.Draw(rt, "mode")
			if strings.Contains(p, "ingress") {
				m = ""
			}
			c.do(fmt.Sprintf("service %s rev=%d net=%s port=%s mode=%s", name, c.revs, nets.Draw(rt, "networks"), p, m))
		},
		"rollout": func(rt *rapid.T) {
			name := service.Draw(rt, "service")
			svc := store.Services.ByID(c.s.View(), c.id(name))
			if svc == nil {
				rt.Skip("no such service")
			}
			_, rev, _ := strings.Cut(c.names[svc.Revision], "@")
			c.do(fmt.Sprintf("rollout %s rev=%s is=%s", name, rev, rapid.SampledFrom([]string{"updating", "completed"}).Draw(rt, "state")))
		},
		"remove service": func(rt *rapid.T) {
			name := service.Draw(rt, "service")
			there(rt, name)
			c.do("remove " + name)
		},
		"task": func(rt *rapid.T) {
			name := service.Draw(rt, "service")
			there(rt, name)
			for range rapid.IntRange(1, 4).Draw(rt, "count") {
				c.tasks++
				c.do(fmt.Sprintf("task t%d of=%s", c.tasks, name))
			}
		},
		"end": func(rt *rapid.T) {
			name := someTask(rt)
			there(rt, name)
			c.do("status " + name + " is=failed")
		},
		"remove task": func(rt *rapid.T) {
			name := someTask(rt)
			there(rt, name)
			c.do("remove " + name)
		},
		"member": func(rt *rapid.T) { c.do(fmt.Sprint("member n", rapid.IntRange(1, 3).Draw(rt, "node"))) },
		"remove member": func(rt *rapid.T) {
			name := fmt.Sprint("n", rapid.IntRange(1, 3).Draw(rt, "node"))
			there(rt, name)
			c.do("remove " + name)
		},
		"guest": func(rt *rapid.T) {
			c.guests++
			addr := rapid.SampledFrom([]string{"", "", "10.1.0.2", "10.1.0.9", "10.1.0.1"}).Draw(rt, "address")
			c.do(fmt.Sprintf("guest g%d net=a addr=%s", c.guests, addr))
		},
		"remove guest": func(rt *rapid.T) {
			name := fmt.Sprint("g", rapid.IntRange(1, max(1, c.guests)).Draw(rt, "guest"))
			there(rt, name)
			c.do("remove " + name)
		},
		"ingress": func(*rapid.T) {
			if store.IngressNetwork(c.s.View()) == nil {
				c.do("network ingress subnet=10.3.0.0/28 ingress=1")
			} else {
				c.do("remove ingress")
			}
		},
		"takeover": func(*rapid.T) { c.loop = control.NewLoop(New(), c.s, c.direct(), c.clock) },
	}
}

// TestEveryAddressHasOneOwner: whatever comes and goes, no address and no port is given twice, none is kept by what is
// gone, what an owner has it keeps, it waits only when it must, and neither the same leader nor a new one finds anything
// left to do.
func TestEveryAddressHasOneOwner(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := &cluster{world: newWorld(t)}
		c.t = rt
		c.do("cluster c")
		c.do("network a subnet=10.1.0.0/28 attachable=1")
		c.do("network b subnet=10.2.0.0/24 range=10.2.0.8/29")
		c.do("network host predefined=1")
		actions := c.actions()
		before := c.s.View()
		actions[""] = func(rt *rapid.T) {
			c.step()
			after := c.s.View()
			used := c.checkRows(rt, after)
			c.checkPorts(rt, after)
			c.checkKept(rt, before, after)
			c.checkWaiting(rt, after, used)
			before = after
			// The usage is counted after a moment; then there is nothing left to do.
			c.clock.Set(c.clock.Now().Add(3 * time.Second))
			c.step()
			index := c.s.View().Index()
			c.step()
			res, err := New().Plan(c.s.View(), New().All(c.s.View()), c.clock.Now())
			res.Changes = slices.DeleteFunc(res.Changes, c.sameWait)
			if err != nil || len(res.Changes) > 0 || c.s.View().Index() != index {
				rt.Fatalf("with nothing to do rows were planned: %s (%v)", c.describe(res.Changes), err)
			}
		}
		rt.Repeat(actions)
	})
}

// sameWait: a task that waits for one full network may find another one full when it is asked again.
func (c *cluster) sameWait(change store.Change) bool {
	old := store.Allocations.Get(c.s.View(), change.Key)
	cur, ok := change.Row.(*model.Allocation)
	return ok && old != nil && strings.Contains(old.Err, ": all ") && strings.Contains(cur.Err, ": all ")
}

func (c *cluster) describe(changes []store.Change) string {
	var s strings.Builder
	for _, change := range changes {
		fmt.Fprintf(&s, "%s: %+v instead of %+v; ", c.names[change.Key.A], change.Row, store.Allocations.Get(c.s.View(), change.Key))
	}
	return s.String()
}

// checkRows: each row has an owner that may have something, each owner a row, each address one owner.
func (c *cluster) checkRows(t *rapid.T, v store.View) map[model.ID]int {
	owners, used := map[place]model.ID{}, map[model.ID]int{}
	rows := 0
	for a := range store.Allocations.All(v) {
		if a.Done != (a.Err == "") || a.Repaired() != "" {
			t.Fatalf("%s: %+v", c.names[a.Owner], a)
		}
		if a.Kind == model.AllocNetwork {
			continue
		}
		rows++
		for _, n := range a.Networks {
			net := store.Allocations.ByID(v, n.NetworkID)
			if net == nil && a.Kind == model.AllocTask {
				continue // it keeps what it has until it ends
			}
			at := place{n.NetworkID, n.Addr.Addr()}
			if net == nil || !net.Networks[0].Addr.Contains(at.addr) || at.addr == net.Networks[0].Gateway || n.Gateway != net.Networks[0].Gateway {
				t.Fatalf("%s has %s of a network %+v", c.names[a.Owner], n.Addr, net)
			}
			if other, twice := owners[at]; twice {
				t.Fatalf("%s is that of %s and of %s", at.addr, c.names[other], c.names[a.Owner])
			}
			owners[at] = a.Owner
			used[n.NetworkID]++
		}
	}
	want := store.Services.Len(v) + store.Attachments.Len(v)
	for task := range store.Tasks.All(v) {
		if s := store.Statuses.ByID(v, task.ID); s == nil || !s.State.Terminal() {
			want++
		}
	}
	if store.IngressNetwork(v) != nil {
		want += store.NodeSpecs.Len(v)
	}
	if rows != want {
		t.Fatalf("%d owners have %d rows", want, rows)
	}
	return used
}

func (c *cluster) checkPorts(t *rapid.T, v store.View) {
	holders := map[string]model.ID{}
	for s := range store.Services.All(v) {
		for _, p := range store.Allocations.ByID(v, s.ID).Ports {
			key := fmt.Sprint(p.PublishedPort, p.Protocol)
			if p.PublishMode == swarm.PortConfigPublishModeHost {
				continue
			}
			if other, twice := holders[key]; twice || p.PublishedPort == 0 {
				t.Fatalf("port %s is that of %s and of %s", key, c.names[other], s.Name)
			}
			holders[key] = s.ID
		}
	}
}

// checkKept: what an owner had and still has on a network is the same address; a task that was done has the same
// addresses.
func (c *cluster) checkKept(t *rapid.T, before, after store.View) {
	for a := range store.Allocations.All(before) {
		now := store.Allocations.ByID(after, a.Owner)
		if now == nil || a.Kind == model.AllocNetwork {
			continue
		}
		for _, n := range a.Networks {
			at := addressOf(now, n.NetworkID)
			if at != nil && *at != n || at == nil && a.Kind == model.AllocTask {
				t.Fatalf("%s had %v and has %v", c.names[a.Owner], a.Networks, now.Networks)
			}
		}
	}
}

// checkWaiting: who waits for an address does so because there is none.
func (c *cluster) checkWaiting(t *rapid.T, v store.View, used map[model.ID]int) {
	sizes := map[string]int{"a": 13, "b": 8, "ingress": 13}
	for a := range store.Waiting(v) {
		i := strings.Index(a.Err, ": all ")
		if i < 0 {
			continue
		}
		name := a.Err[:i]
		name = name[strings.LastIndex(name, " ")+1:]
		if used[c.id(name)] != sizes[name] {
			t.Fatalf("%s waits (%s), but %d are in use", c.names[a.Owner], a.Err, used[c.id(name)])
		}
	}
}
