package dispatcher

import (
	"fmt"
	"time"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/wire"
)

const (
	// manyNodes is how few nodes are never many, and massWindow how close together they fall silent.
	manyNodes  = 3
	massWindow = time.Minute
	// longestLease bounds how long a node may ask to be waited for.
	longestLease = 5 * time.Minute

	msgSilent = "heartbeat failure"
)

// grant gives a node a whole limit of silence from now on.
func (m *Machine) grant(now time.Time, n *node) {
	n.heard, n.until, n.spared, n.unheard = now, time.Time{}, false, false
	m.deadline.Add(n.id, m.dueAt(n))
}

// await gives a node that this leader has not heard of twice the limit: one to notice that the old leader is gone and
// to find the new one, and one as always. A lease that the old leader granted holds.
func (m *Machine) await(now time.Time, n *node) {
	m.grant(now, n)
	n.until, n.unheard, n.lease = now.Add(2*m.limit()), true, n.state.Lease
	if end := min(n.lease, now.Add(longestLease).UnixNano()); end > n.until.UnixNano() {
		n.until = time.Unix(0, end)
	}
	m.deadline.Add(n.id, now.Add(m.period))
}

// dueAt is when a node of which nothing more is heard is judged.
func (m *Machine) dueAt(n *node) time.Time {
	due := n.heard.Add(m.limit())
	if n.until.After(due) {
		return n.until
	}
	return due
}

// calm reports whether there is nothing to a heartbeat of the node's session but that it came.
func (n *node) calm() bool {
	return n.state != nil && n.state.State == model.ReachReady && n.until.IsZero() && !n.session.bye
}

// heardAgain takes back what was said of a node while it was silent in an open session.
func (m *Machine) heardAgain(now time.Time, n *node) {
	n.until, n.spared, n.unheard = time.Time{}, false, false
	if n.state.State != model.ReachReady {
		m.setNode(now, n, model.ReachReady, "", nil)
	}
}

// leave takes an agent's word that it will be back: until then the node is not judged, and its tasks stay. One that
// asks for no time does not come back. The session ends when that is committed.
func (m *Machine) leave(now time.Time, s *session, lease time.Duration) {
	lease = min(lease, longestLease)
	n := m.nodes[s.node]
	s.bye = true
	if lease <= 0 {
		m.setDown(now, n, "the node has left the cluster")
		return
	}
	n.until = now.Add(lease)
	n.lease = n.until.UnixNano()
	m.setNode(now, n, model.ReachDisconnected, fmt.Sprintf("the node is restarting: its tasks are left as they are for %s", lease), nil)
	m.deadline.Add(n.id, m.dueAt(n))
}

// lastWords looks for a bye among what a session that is over had to say and nobody has judged.
func (m *Machine) lastWords(now time.Time, s *session) {
	for _, msg := range s.inbox {
		if bye := msg.GetBye(); bye != nil && !s.bye {
			m.leave(now, s, time.Duration(bye.Lease))
		}
	}
}

// silence finds the nodes that were not heard for too long.
func (m *Machine) silence(now time.Time) {
	var due []*node
	for _, id := range m.deadline.Pop(now) {
		n := m.nodes[id]
		if n == nil || n.state == nil || n.state.State == model.ReachDown {
			continue
		}
		if at := m.dueAt(n); at.After(now) {
			m.missed(now, n)
			m.deadline.Add(id, at)
			continue
		}
		due = append(due, n)
	}
	if len(due) == 0 {
		return
	}
	quiet, all := m.quiet(now)
	many := quiet >= manyNodes && 2*quiet > all
	for _, n := range due {
		if many && !n.spared && n.lease == 0 {
			m.spare(now, n, quiet, all)
		} else {
			m.down(now, n)
		}
	}
}

// missed says of a node that a new leader is still waiting for it.
func (m *Machine) missed(now time.Time, n *node) {
	if !n.unheard || n.session != nil || n.lease != 0 {
		return
	}
	n.unheard = false
	m.setNode(now, n, model.ReachDisconnected,
		fmt.Sprintf("another manager leads now and has not heard of the node yet: its tasks are left as they are for %s", n.until.Sub(now)), nil)
}

// quiet counts the nodes that have fallen silent within a minute, and all that they are to be held against: those
// that are down for longer do not count. A node is quiet some time before it is judged, for the heartbeats of nodes
// that are cut off together end within a period.
func (m *Machine) quiet(now time.Time) (quiet, all int) {
	for _, n := range m.nodes {
		switch {
		case n.state == nil:
			continue
		case n.state.State == model.ReachDown:
			if now.Sub(time.Unix(0, n.state.Since)) >= massWindow {
				continue
			}
			quiet++
		case n.lease == 0 && now.Sub(n.heard) > m.period*3/2:
			quiet++
		}
		all++
	}
	return quiet, all
}

// spare waits once more for a node that fell silent with most others: rather this manager is cut off, or a switch is
// down, than that they all are, and those that are left could not bear their tasks.
func (m *Machine) spare(now time.Time, n *node, quiet, all int) {
	n.spared, n.until = true, now.Add(m.limit())
	m.setNode(now, n, model.ReachDisconnected,
		fmt.Sprintf("%d of %d nodes fell silent within a minute: the tasks of this one are left as they are for another %s", quiet, all, m.limit()), nil)
	m.deadline.Add(n.id, n.until)
}

func (m *Machine) down(now time.Time, n *node) {
	message := msgSilent
	if n.lease != 0 {
		message = "the node announced a restart and did not come back in time"
	}
	m.setDown(now, n, message)
	if n.session != nil {
		m.end(n.session, wire.Goodbye_UNKNOWN, "no heartbeat came in time")
	}
}

func (m *Machine) setDown(now time.Time, n *node, message string) {
	n.until, n.lease, n.spared, n.unheard = time.Time{}, 0, false, false
	m.giveUp(n.id)
	m.setNode(now, n, model.ReachDown, message, nil)
}

// overslept makes up for a time in which this process did not run, or was not scheduled: what the nodes sent meanwhile
// is yet to arrive, so the silence was its own.
func (m *Machine) overslept(now time.Time) {
	if m.wakeAt.IsZero() || now.Sub(m.wakeAt) <= m.period/2 {
		return
	}
	for _, n := range m.nodes {
		if n.state != nil && n.state.State != model.ReachDown {
			n.heard = now
		}
	}
}
