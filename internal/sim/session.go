package sim

import (
	"time"

	"github.com/skep-org/skep/internal/manager/dispatcher"
	"github.com/skep-org/skep/internal/wire"
	"google.golang.org/protobuf/proto"
)

// session is a connection between an agent and a leader's dispatcher. Each end is open until it is closed there or
// hears that the other is: of a partition or a power loss neither end hears.
type session struct {
	n        *node
	m        *member
	t        *term
	id       dispatcher.SessionID
	up, down *stream

	agentOpen, managerOpen bool
	told                   time.Time           // when it was first told of the networks; zero: not yet
	unanswered             []unanswered        // oldest first
	tardy                  time.Time           // when it answered too late for the last time; zero: it has been in time since
	agent                  func(func()) func() // gives something to the agent's life that opened the session
}

// connect looks for the leader after a pause, which is the longer the more often it was looked for in vain.
func (n *node) connect() {
	pause := min(100*time.Millisecond<<min(n.tries, 10), 2*time.Second)
	n.tries++
	n.w.after(pause/2+n.w.upTo(pause), n.proc.do(func() {
		to := n.leader
		n.leader = nil
		if to == nil {
			to = n.w.members[n.w.rng.IntN(len(n.w.members))]
		}
		n.dial(to)
	}))
}

// dial opens a session with a manager, which says who leads if it does not.
func (n *node) dial(to *member) {
	w, over, life := n.w, false, n.proc.life
	agent := func(f func()) func() {
		if n.proc.life != life {
			return func() {}
		}
		return n.proc.do(f)
	}
	fail := func() {
		if !over && n.session == nil {
			over = true
			n.connect()
		}
	}
	w.after(3*time.Second, n.proc.do(fail))
	answer := func(s *session, leader uint64) {
		w.net.packet(to.node.host, n.host, agent(func() {
			switch {
			case s != nil && !over && n.session == nil:
				over = true
				s.opened()
			case s != nil:
				s.agentClosed() // nobody waits for it any more
			case !over && leader != 0 && n.tries < 4:
				over = true
				n.tries++
				n.dial(w.members[leader-1])
			default:
				fail()
			}
		}))
	}
	w.net.packet(n.host, to.node.host, func() {
		if !to.proc.up() {
			answer(nil, 0)
			return
		}
		to.proc.do(func() {
			if to.term == nil {
				leader := to.lead.Leader
				if leader == to.id {
					leader = 0
				}
				answer(nil, leader)
				return
			}
			s := &session{n: n, m: to, t: to.term, managerOpen: true, agent: agent}
			s.id = to.term.disp.Open(n.id, "192.0.2.1")
			s.up = &stream{net: w.net, from: n.host, to: to.node.host}
			s.down = &stream{net: w.net, from: to.node.host, to: n.host}
			to.term.sessions[s.id] = s
			answer(s, 0)
		})()
	})
}

// opened is the agent's end.
func (s *session) opened() {
	s.agentOpen = true
	s.n.session, s.n.tries = s, 0
	s.n.agent.Connected(s.n.w.rng.Uint64())
	s.n.act.poke()
}

func (s *session) toManager(msg *wire.AgentMessage) {
	msg = proto.CloneOf(msg)
	s.up.send(s.m.proc.do(func() {
		if !s.managerOpen {
			s.reset()
			return
		}
		if a := msg.GetFabricApplied(); a != nil {
			s.fabricAnswered(a)
		}
		s.t.disp.Deliver(s.m.proc.clock.Now(), s.id, msg)
		s.t.dispAct.poke()
	}))
}

// reset tells the agent that there is nobody at the other end.
func (s *session) reset() { s.down.send(s.agent(s.lost)) }

func (s *session) toAgent(e dispatcher.Envelope) {
	if s.n.w.loses(e) {
		return
	}
	msg := proto.CloneOf(e.Msg)
	s.n.w.misdirect(s, msg)
	s.n.w.forge(s, msg)
	if e.End {
		s.managerOpen = false
		delete(s.t.sessions, s.id)
	}
	s.down.send(s.agent(func() {
		if !s.agentOpen {
			return
		}
		s.n.w.pretend(s.n, msg)
		s.n.agent.Receive(s.n.proc.clock.Now(), msg)
		s.n.act.poke()
		if e.End {
			s.closed()
		}
	}))
}

// agentClosed is the agent's end hanging up, or its process's death.
func (s *session) agentClosed() {
	s.agentOpen = false
	s.up.send(s.m.proc.do(s.managerClosed))
}

// managerClosed is the dispatcher's hearing of it.
func (s *session) managerClosed() {
	if !s.managerOpen {
		return
	}
	s.managerOpen = false
	delete(s.t.sessions, s.id)
	if s.m.term == s.t {
		s.t.disp.Closed(s.m.proc.clock.Now(), s.id)
		s.t.dispAct.poke()
	}
}

// managerGone is the death of the manager's process. After a power loss nothing is left to say so; the agent notices
// by the silence.
func (s *session) managerGone(power bool) {
	s.managerOpen = false
	if !power {
		s.reset()
	}
}

// closed is the agent's end noticing that the session is over.
func (s *session) closed() {
	s.agentOpen = false
	n := s.n
	if n.session != s {
		return
	}
	n.session = nil
	n.agent.Disconnected()
	n.act.poke()
	n.connect()
}

// broke is a connection that breaks on both ends at once.
func (s *session) broke() {
	s.m.proc.do(s.managerClosed)()
	s.agent(s.lost)()
}

// lost is the agent's end noticing that the session is over though nobody said so: whom it was with is not asked first.
func (s *session) lost() {
	if s.n.session == s {
		s.n.leader = nil
	}
	s.closed()
}
