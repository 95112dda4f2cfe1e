package dispatcher

import (
	"bytes"
	"maps"
	"slices"
	"time"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

const (
	// withdrawWait is how long a task that others balance to goes on because a node has not said that it balances to it
	// no more. A node takes milliseconds for it, one under load a few hundred: one that takes two seconds is broken, and
	// an update is not to wait for it task by task.
	withdrawWait = 2 * time.Second
	// returnWait is how long a node whose agent is away is taken to be coming back: its agent restarts, or looks for the
	// new leader. Meanwhile it balances as it was told last.
	returnWait = 3 * time.Second
)

// withdrawal is of tasks on the same networks that are to stop: their nodes are told so when no node balances to them.
type withdrawal struct {
	until time.Time
	tasks map[model.ID]model.ID // with their nodes
	// wait has the nodes that may balance to the tasks still, each with the message after which it does not, or 0: the
	// first message of a session it has yet to open.
	wait map[model.ID]uint64
}

// leaving are tasks to withdraw, until the sessions have been told.
type leaving struct {
	networks []model.ID
	tasks    map[model.ID]model.ID
}

// noteLeaving notes a task that others balance to and that is to stop. A new leader does not know how far its
// predecessor had come with those it finds: it withdraws them again, which costs two seconds at most, and once.
func (m *Machine) noteLeaving(id model.ID, old, next *place) {
	f := &m.fabric
	t, st := store.Tasks.ByID(m.view, id), store.Statuses.ByID(m.view, id)
	was := old
	if old == nil && f.founding {
		was = next
	}
	ended := st != nil && st.State.Terminal()
	if w := f.held[id]; w != nil && ended {
		m.release(w, id)
	}
	if was == nil || was.service.IsZero() || ended || t != nil && t.Desired < model.StateShutdown {
		return
	}
	served := was.serving
	if was == next {
		served = st != nil && st.State == model.StateRunning
	}
	node := store.NodeStates.ByID(m.view, was.node)
	if !served || node == nil || node.State == model.ReachDown {
		return
	}
	key := ""
	networks := make([]model.ID, 0, len(was.rows))
	for _, r := range was.rows {
		networks = append(networks, r.network)
		key += string(r.network[:])
	}
	if f.leaving[key] == nil {
		f.leaving[key] = &leaving{networks, map[model.ID]model.ID{}}
	}
	f.leaving[key].tasks[id] = was.node
}

// withdraw begins to wait for the nodes that were just told not to balance to tasks any more.
func (m *Machine) withdraw(now time.Time) {
	f := &m.fabric
	for _, key := range slices.Sorted(maps.Keys(f.leaving)) {
		l := f.leaving[key]
		w := &withdrawal{until: now.Add(withdrawWait), tasks: l.tasks, wait: map[model.ID]uint64{}}
		for _, network := range l.networks {
			m.eachOn(network, func(node model.ID) { m.expect(now, w, node) })
			for id, n := range m.nodes {
				if n.session != nil && n.session.feed.leaves(network) {
					m.expect(now, w, id)
				}
			}
		}
		for id, node := range l.tasks {
			m.expect(now, w, node) // it may have left the network with the task
			f.held[id] = w
		}
		f.waiting = append(f.waiting, w)
		delete(f.leaving, key)
	}
	m.releaseDue(now)
}

// expect waits for a node that is there, or that is likely to be back soon.
func (m *Machine) expect(now time.Time, w *withdrawal, node model.ID) {
	n := m.nodes[node]
	switch {
	case n == nil || n.state == nil || n.state.State == model.ReachDown:
	case n.session == nil:
		if now.Sub(n.heard) < returnWait {
			w.wait[node] = 0
		}
	case !n.session.feed.mute && n.session.feed.acked < n.session.feed.seq:
		w.wait[node] = n.session.feed.seq
	}
}

// returned has a node's new session waited for in the place of the one it had.
func (m *Machine) returned(n *node) {
	for _, w := range m.fabric.waiting {
		if _, ok := w.wait[n.id]; ok {
			w.wait[n.id] = n.session.feed.seq
		}
	}
}

// away takes back what a session that is over was told: the next one has to say that the node is as of it.
func (m *Machine) away(s *session) {
	for id := range s.feed.has {
		if o := m.fabric.overlays[id]; o != nil {
			delete(o.sessions, s.id)
		}
	}
	if n := m.nodes[s.node]; n == nil || n.session != s {
		return
	}
	for _, w := range m.fabric.waiting {
		if _, ok := w.wait[s.node]; ok {
			w.wait[s.node] = 0
		}
	}
}

// giveUp waits no more for a node that is taken for dead, or gone.
func (m *Machine) giveUp(node model.ID) {
	for _, w := range m.fabric.waiting {
		delete(w.wait, node)
	}
}

// releaseDue lets the tasks stop that no node balances to any more, or that have been waited for long enough.
func (m *Machine) releaseDue(now time.Time) {
	m.fabric.waiting = slices.DeleteFunc(m.fabric.waiting, func(w *withdrawal) bool {
		late := !w.until.After(now)
		switch {
		case len(w.tasks) == 0:
			return true
		case len(w.wait) == 0:
			m.counters.Withdrawn += uint64(len(w.tasks))
		case late:
			m.counters.WithdrawnLate += uint64(len(w.tasks))
			for node := range w.wait {
				// A session that began meanwhile has not had its time yet.
				if n := m.nodes[node]; n != nil && n.session != nil && now.Sub(n.session.feed.at) >= withdrawWait {
					n.session.feed.mute = true
				}
				m.late = append(m.late, node)
			}
		default:
			return false
		}
		for id := range w.tasks {
			m.release(w, id)
		}
		return true
	})
}

// Late returns, in order, the nodes that tasks were not withdrawn from in time since it was last called: connections by way
// of them may still be led to tasks that have stopped.
func (m *Machine) Late() []model.ID {
	late := m.late
	m.late = nil
	slices.SortFunc(late, func(a, b model.ID) int { return bytes.Compare(a[:], b[:]) })
	return slices.Compact(late)
}

// release lets a task's node know what is wanted of it.
func (m *Machine) release(w *withdrawal, task model.ID) {
	node := w.tasks[task]
	delete(w.tasks, task)
	delete(m.fabric.held, task)
	m.mark(node, task)
}

// nextRelease is when the oldest withdrawal has been waited for long enough; zero: there is none.
func (f *fabric) nextRelease() time.Time {
	if len(f.waiting) == 0 {
		return time.Time{}
	}
	return f.waiting[0].until
}
