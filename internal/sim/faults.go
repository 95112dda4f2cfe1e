package sim

import (
	"fmt"
	"time"

	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/model"
)

// fault is one way in which something breaks; weight is how often compared with others.
type fault struct {
	weight int
	do     func(*world)
}

func faults() []fault {
	return []fault{
		{12, func(w *world) { w.anyMember().crash(false) }},
		{8, func(w *world) { w.anyNode().kill(false) }},
		{4, func(w *world) { w.anyNode().restart() }},
		{6, func(w *world) { // kill -9 of a daemon that is both
			m := w.anyMember()
			m.crash(false)
			m.node.kill(false)
		}},
		{6, func(w *world) { w.anyNode().powerLoss() }},
		{3, func(w *world) { w.anyMember().node.powerLoss() }},
		{8, func(w *world) { w.leader().crash(w.chance(500)) }},
		{12, (*world).partition},
		{6, (*world).weather},
		{6, (*world).slowDisk},
		{4, (*world).fullDisk},
		{6, func(w *world) { w.anyNode().freeze() }},
		{3, func(w *world) { w.leader().node.freeze() }},
		{8, (*world).changeLeader},
		{4, (*world).contest},
		{4, (*world).depose},
		{5, (*world).allDown},
		{6, func(w *world) {
			if s := w.anyNode().session; s != nil {
				w.trace("%s: the connection breaks", s.n.name)
				s.broke()
			}
		}},
		{4, func(w *world) {
			if n := w.anyNode(); !n.engine.Lost() {
				n.engineLost()
				w.after(w.upTo(20*time.Second), n.engine.Recover)
			}
		}},
		{3, func(w *world) { n := w.anyNode(); w.someContainer(n, "removed by somebody", n.engine.Vanish) }},
		{3, func(w *world) {
			n := w.anyNode()
			w.someContainer(n, "unhealthy", func(id model.ID, now time.Time) { n.engine.Sicken(id, "sick", now) })
		}},
		{3, func(w *world) {
			n := w.anyNode()
			w.someContainer(n, "crashes", func(id model.ID, now time.Time) { n.engine.Crash(id, 1+w.rng.IntN(3), false, now) })
		}},
	}
}

// breakSomething is one fault.
func (w *world) breakSomething() {
	all, sum := faults(), 0
	for _, f := range all {
		sum += f.weight
	}
	at := w.rng.IntN(sum)
	for _, f := range all {
		if at -= f.weight; at < 0 {
			w.broken++
			f.do(w)
			return
		}
	}
}

func (w *world) anyNode() *node     { return w.nodes[w.rng.IntN(len(w.nodes))] }
func (w *world) anyMember() *member { return w.members[w.rng.IntN(len(w.members))] }

// leader is whoever leads, or any member when nobody does.
func (w *world) leader() *member {
	for _, m := range w.members {
		if m.term != nil {
			return m
		}
	}
	return w.anyMember()
}

// changeLeader has leadership handed over, or somebody reach for it.
func (w *world) changeLeader() {
	m := w.leader()
	if !m.proc.up() || m.proc.stopped {
		return
	}
	switch {
	case w.chance(500) && m.lead.Leading:
		to := w.anyMember()
		w.trace("m%d hands leadership to m%d", m.id, to.id)
		_ = m.machine.Transfer(to.id) // one that cannot be is refused
		m.raft.poke()
	default:
		for range 1 + w.rng.IntN(2) {
			if m := w.anyMember(); m.proc.up() && !m.proc.stopped {
				w.trace("m%d reaches for leadership", m.id)
				_ = m.machine.Campaign() // one that cannot be elected is refused
				m.raft.poke()
			}
		}
	}
}

// allDown kills every manager at once, as the power of a whole site does.
func (w *world) allDown() {
	power := w.chance(500)
	w.trace("all managers go down")
	for _, m := range w.members {
		m.crash(power)
		if power {
			m.node.kill(true)
		}
	}
}

// partition cuts hosts off from each other, both ways or one way.
func (w *world) partition() {
	hosts := len(w.nodes)
	group := make([]bool, hosts)
	what := "some hosts"
	switch w.rng.IntN(4) {
	case 0: // the leader, alone
		what = fmt.Sprintf("the leader m%d", w.leader().id)
		group[w.leader().node.host] = true
	case 1:
		n := w.anyNode()
		what = n.name
		group[n.host] = true
	default:
		for i := range group {
			group[i] = w.chance(500)
		}
	}
	out, in := true, true
	switch w.rng.IntN(4) {
	case 0:
		in = false
	case 1:
		out = false
	}
	w.trace("the network is cut around %s %v, out %t, in %t", what, group, out, in)
	var cut [][2]int
	for a := range hosts {
		for b := range hosts {
			if group[a] && !group[b] && out || !group[a] && group[b] && in {
				cut = append(cut, [2]int{a, b})
				w.net.cut[a][b] = true
			}
		}
	}
	w.after(w.downtime(15*time.Second), func() {
		w.trace("the network around %s heals", what)
		for _, c := range cut {
			w.net.cut[c[0]][c[1]] = false
		}
	})
}

// weather makes the network lose, repeat and delay.
func (w *world) weather() {
	w.net.loss, w.net.twice = w.rng.IntN(300), w.rng.IntN(300)
	w.net.delay = w.upTo(300 * time.Millisecond)
	w.trace("the network loses %d and repeats %d of 1000, and delays by up to %s", w.net.loss, w.net.twice, w.net.delay)
	w.after(w.downtime(15*time.Second), func() { w.net.loss, w.net.twice, w.net.delay = 0, 0, 0 })
}

func (w *world) slowDisk() {
	m := w.anyMember()
	w.trace("m%d: the disk is slow", m.id)
	m.slow = true
	w.after(w.downtime(15*time.Second), func() { m.slow = false })
}

func (w *world) fullDisk() {
	m := w.anyMember()
	w.trace("m%d: the disk fills up", m.id)
	m.full = true
	w.after(w.downtime(15*time.Second), func() { m.full = false })
}

// freeze stops the processes of a host for a while.
func (n *node) freeze() {
	w := n.w
	w.trace("%s is frozen", n.name)
	procs := []*proc{n.proc}
	if n.member != nil {
		procs = append(procs, n.member.proc)
	}
	for _, p := range procs {
		p.stop()
	}
	w.after(w.downtime(10*time.Second), func() {
		for _, p := range procs {
			p.cont()
		}
	})
}

func (w *world) someContainer(n *node, what string, f func(model.ID, time.Time)) {
	list, err := n.engine.List()
	if err != nil || len(list) == 0 {
		return
	}
	c := list[w.rng.IntN(len(list))]
	w.trace("%s: container of %s %s", n.name, short(c.TaskID), what)
	w.checks.meddled(c.TaskID)
	f(c.TaskID, w.now())
	n.wakeEngine()
}

// powerLoss ends everything on a host but what is on its disks. Its clock may be another one afterwards.
func (n *node) powerLoss() {
	w := n.w
	w.trace("%s: power is lost", n.name)
	list, _ := n.engine.List()
	n.kill(true)
	n.engine.Lose(w.now()) // of what was under way a part is done
	n.engine.Recover()
	for _, c := range list {
		if c.Phase == executor.Running {
			w.checks.meddled(c.TaskID)
			n.engine.Crash(c.TaskID, 255, false, w.now())
		}
	}
	n.wakeEngine()
	if n.member != nil {
		n.member.crash(true)
	}
	n.clock.offset = w.drift()
}
