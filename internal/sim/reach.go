package sim

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/skep-org/skep/internal/manager/dispatcher"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

// withdrawBound is how long a task that is to stop waits for the nodes that balance to it.
const withdrawBound = 2 * time.Second

// addresses are those that somebody has.
type addresses map[address]model.ID

type address struct {
	network model.ID
	addr    netip.Addr
}

// given: no address is given to two.
func (a addresses) given(w *world, e store.Event) {
	if old, ok := e.Old.(*model.Allocation); ok && old.Kind != model.AllocNetwork {
		for _, n := range old.Networks {
			delete(a, address{n.NetworkID, n.Addr.Addr()})
		}
	}
	row, ok := e.New.(*model.Allocation)
	if !ok || row.Kind == model.AllocNetwork {
		return
	}
	for _, n := range row.Networks {
		at := address{n.NetworkID, n.Addr.Addr()}
		if other, taken := a[at]; taken {
			w.fail("%s on network %s is given to %s, and %s has it", at.addr, at.network, row.Owner, other)
		}
		a[at] = row.Owner
	}
}

// unanswered is a message of the fabric that a session's node has not said to be as of.
type unanswered struct {
	seq uint64
	at  time.Time
}

// fabricSent: a node is told of networks only that it is on.
func (s *session) fabricSent(f *wire.Fabric) {
	w := s.n.w
	s.unanswered = append(s.unanswered, unanswered{f.Seq, w.now()})
	if s.told.IsZero() {
		s.told = w.now()
	}
	on := networksOf(s.m.store.View(), s.n.id)
	for _, n := range f.Networks {
		if id, err := wire.ID(n.Id); err != nil || !on[id] {
			w.fail("%s is told of network %s, and has nothing on it", s.n.name, id)
		}
	}
}

// fabricAnswered notes what the dispatcher hears.
func (s *session) fabricAnswered(a *wire.FabricApplied) {
	for len(s.unanswered) > 0 && s.unanswered[0].seq <= a.Seq {
		switch first := s.unanswered[0]; {
		case s.n.w.now().Sub(first.at) >= withdrawBound:
			s.tardy = s.n.w.now()
		case first.at.After(s.tardy):
			s.tardy = time.Time{}
		}
		s.unanswered = s.unanswered[1:]
	}
}

// networksOf are the networks that a node is on: the ingress network, and those that something on the node has an
// address on.
func networksOf(v store.View, node model.ID) map[model.ID]bool {
	on := map[model.ID]bool{}
	for n := range store.Networks.All(v) {
		if n.Spec.Get().Ingress {
			on[n.ID] = true
		}
	}
	has := func(owner model.ID) {
		if a := store.Allocations.ByID(v, owner); a != nil {
			for _, n := range a.Networks {
				on[n.NetworkID] = true
			}
		}
	}
	for p := range store.PlacedOn(v, node) {
		if st := store.Statuses.ByID(v, p.TaskID); st == nil || !st.State.Terminal() {
			has(p.TaskID)
		}
	}
	for g := range store.GuestsOf(v, node) {
		has(g.ID)
	}
	return on
}

// told: no task is told to stop while a node balances to it that is connected, and answers: one that has been slow is
// waited for again only when it has answered in time what it was told since.
func (t *term) told(e dispatcher.Envelope) {
	a, to := e.Msg.GetAssignments(), t.sessions[e.Session]
	if a == nil || to == nil {
		return
	}
	for _, wt := range a.Tasks {
		if model.State(wt.Desired) >= model.StateShutdown {
			t.toldToStop(to, model.ID(wt.Id))
		}
	}
	for _, raw := range a.Removed {
		t.toldToStop(to, model.ID(raw))
	}
}

func (t *term) toldToStop(to *session, task model.ID) {
	w, v := t.m.w, t.m.store.View()
	seen := w.checks.tasks[task]
	st, node := store.Statuses.ByID(v, task), store.NodeStates.ByID(v, to.n.id)
	ended := st == nil || st.State.Terminal()
	if seen == nil || seen.stopAt.IsZero() || seen.lost || ended || node == nil || node.State == model.ReachDown || w.now().Sub(seen.stopAt) >= withdrawBound {
		return
	}
	for _, s := range t.inOrder() {
		slow := !s.tardy.IsZero() || len(s.unanswered) > 0 && w.now().Sub(s.unanswered[0].at) >= withdrawBound
		if !s.managerOpen || !s.agentOpen || s.told.IsZero() || s.told.After(seen.stopAt) || slow {
			continue
		}
		if name := s.n.plane.balancesTo(task); name != "" {
			w.fail("%s is told to stop task %s %s after that was decided, and %s balances to it on %s", to.n.name, task, w.now().Sub(seen.stopAt), s.n.name, name)
		}
	}
}

// balancesTo is the name of a network on which the kernel balances to a task; empty: there is none.
func (p *plane) balancesTo(task model.ID) string {
	for _, n := range p.fabric.Networks {
		if e := n.Endpoints[task]; e != nil && e.Serving {
			return n.Name
		}
	}
	return ""
}

// planesConverged reports which node's data plane differs from the tables.
func (w *world) planesConverged(v store.View) error {
	for _, n := range w.nodes {
		on := networksOf(v, n.id)
		for id := range on {
			if err := n.plane.same(v, id); err != nil {
				return fmt.Errorf("%s: %w", n.name, err)
			}
		}
		if len(n.plane.fabric.Networks) != len(on) {
			return fmt.Errorf("%s knows of %d networks and is on %d", n.name, len(n.plane.fabric.Networks), len(on))
		}
		reported := 0
		for range store.GuestsOf(v, n.id) {
			reported++
		}
		if reported != len(n.plane.guests) {
			return fmt.Errorf("%s has %d guests, %d are known", n.name, len(n.plane.guests), reported)
		}
	}
	return nil
}

// same: on one network the kernel balances to all that is healthy there, and to nothing else.
func (p *plane) same(v store.View, id model.ID) error {
	n := p.fabric.Networks[id]
	if n == nil {
		return fmt.Errorf("it does not know of network %s", id)
	}
	count := 0
	for a := range store.Allocations.All(v) {
		for _, at := range a.Networks {
			if at.NetworkID != id || !healthy(v, a) {
				continue
			}
			count++
			if e := n.Endpoints[a.Owner]; e == nil || !e.Serving || e.Addr != at.Addr.Addr() {
				return fmt.Errorf("on network %s it has %s as %+v, which is healthy at %s", n.Name, a.Owner, e, at.Addr)
			}
		}
	}
	for _, e := range n.Endpoints {
		if e.Serving {
			count--
		}
	}
	if count != 0 {
		return fmt.Errorf("on network %s it balances to %d more than there are", n.Name, -count)
	}
	for s := range store.Services.All(v) {
		a, row := store.Allocations.ByID(v, s.ID), n.Services[s.ID]
		for i := 0; a != nil && i < len(a.Networks); i++ {
			if a.Networks[i].NetworkID == id && (row == nil || row.VIP != a.Networks[i].Addr.Addr()) {
				return fmt.Errorf("on network %s it has service %s as %+v, whose address is %s", n.Name, s.Name, row, a.Networks[i].Addr)
			}
		}
	}
	return nil
}

// healthy reports whether the owner of an address may be balanced to.
func healthy(v store.View, a *model.Allocation) bool {
	switch a.Kind {
	case model.AllocAttachment:
		return store.Attachments.ByID(v, a.Owner) != nil
	case model.AllocTask:
		t, st := store.Tasks.ByID(v, a.Owner), store.Statuses.ByID(v, a.Owner)
		return t != nil && st != nil && st.State == model.StateRunning && t.Desired < model.StateShutdown
	}
	return false
}
