package sim

import (
	"time"

	"github.com/skep-org/skep/internal/store/raft"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// network is what lies between the hosts, which are numbered as the world's nodes are.
type network struct {
	w     *world
	cut   [][]bool      // [from][to]: nothing gets through
	loss  int           // of a thousand messages
	twice int           // of a thousand messages
	delay time.Duration // at most, beyond the usual
}

func newNetwork(w *world, hosts int) *network {
	n := &network{w: w}
	for range hosts {
		n.cut = append(n.cut, make([]bool, hosts))
	}
	return n
}

// heal makes everybody reach everybody.
func (n *network) heal() {
	for _, row := range n.cut {
		clear(row)
	}
	n.loss, n.twice, n.delay = 0, 0, 0
}

func (n *network) takes() time.Duration {
	d := n.w.soon()
	if n.delay > 0 {
		d += n.w.upTo(n.delay)
	}
	return d
}

func (n *network) fails(from, to int) bool {
	return n.cut[from][to] || from != to && n.w.chance(n.loss)
}

// packet carries something that may be lost, overtaken or delivered twice. It reports false for what the sender knows
// to be lost.
func (n *network) packet(from, to int, arrive func()) bool {
	if n.fails(from, to) {
		return !n.w.chance(300)
	}
	times := 1
	if n.w.chance(n.twice) {
		times = 2
	}
	for range times {
		n.w.after(n.takes(), func() {
			if !n.cut[from][to] {
				arrive()
			}
		})
	}
	return true
}

// send carries messages between members.
func (m *member) send(msgs []*pb.Message) {
	for _, msg := range msgs {
		to := m.w.members[msg.GetTo()-1]
		if msg.GetType() == pb.MsgSnap {
			m.sendSnapshot(to, msg)
			continue
		}
		known := m.w.net.packet(m.node.host, to.node.host, func() { to.hears(msg) })
		if !known {
			m.machine.Unreachable(msg.GetTo())
		}
	}
}

// hears takes a message; the sender's is left as it is, for it may come twice.
func (m *member) hears(msg *pb.Message) {
	if m.machine == nil {
		return
	}
	m.proc.do(func() {
		m.machine.Step(proto.CloneOf(msg))
		m.raft.poke()
	})()
}

// sendSnapshot streams a snapshot ahead of the message that announces it, and reports what became of it.
func (m *member) sendSnapshot(to *member, msg *pb.Message) {
	w := m.w
	arrived := false
	arrive := func() {
		body, err := m.disk.OpenSnapshot(msg.GetSnapshot())
		if err != nil || !to.proc.up() || !m.proc.up() || to.full {
			return
		}
		if err := to.disk.WriteSnapshot(msg.GetSnapshot(), copyFrom(body)); err != nil {
			w.fail("m%d: receive a snapshot: %w", to.id, err)
		}
		arrived = true
		to.hears(msg)
	}
	w.net.packet(m.node.host, to.node.host, arrive)
	w.after(50*time.Millisecond+w.net.takes(), m.proc.do(func() {
		m.machine.SnapshotSent(msg.GetTo(), arrived)
		m.raft.poke()
	}))
}

// stream carries messages one way between two processes, in order; what cannot pass waits, as TCP does.
type stream struct {
	net      *network
	from, to int
	waiting  []func()
	busy     bool
}

func (s *stream) send(arrive func()) {
	s.waiting = append(s.waiting, arrive)
	if !s.busy {
		s.busy = true
		s.net.w.after(s.net.takes(), s.deliver)
	}
}

func (s *stream) deliver() {
	if s.net.fails(s.from, s.to) { // sent again
		s.net.w.after(200*time.Millisecond, s.deliver)
		return
	}
	f := s.waiting[0]
	s.waiting = s.waiting[1:]
	if s.busy = len(s.waiting) > 0; s.busy {
		s.net.w.after(s.net.w.upTo(time.Millisecond), s.deliver)
	}
	f()
}

// stateMachine watches what the log tells a member's tables.
type stateMachine struct{ m *member }

var _ raft.StateMachine = stateMachine{}
