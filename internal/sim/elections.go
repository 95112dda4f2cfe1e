package sim

import "time"

// contest has managers reach for leadership at the same time, over a slow network, while the one whose vote decides is
// killed and started again over and over, as a supervisor does with a daemon that crashes.
func (w *world) contest() {
	voter := w.leader()
	w.trace("the leadership of m%d is contested", voter.id)
	w.net.delay = 20*time.Millisecond + w.upTo(200*time.Millisecond)
	w.after(3*time.Second, func() { w.net.delay = 0 })
	voter.bounce(4 + w.rng.IntN(12))
	for _, m := range w.members {
		if m == voter {
			continue
		}
		w.after(20*time.Millisecond+w.soon(), func() {
			if m.proc.up() && !m.proc.stopped {
				_ = m.machine.Campaign() // one that cannot be elected is refused
				m.raft.poke()
			}
		})
	}
}

// bounce kills a manager so many times, each time shortly after it was started.
func (m *member) bounce(times int) {
	w := m.w
	if times == 0 || w.calm {
		return
	}
	m.crash(false)
	w.after(w.upTo(10*time.Millisecond), m.boot)
	w.after(10*time.Millisecond+w.upTo(60*time.Millisecond), func() { m.bounce(times - 1) })
}

// depose has a leader stand still until another one leads, and then go on cut off from the other managers: for a while
// it believes that it leads still. The nodes that are no managers reach both, and lose the new leader's connection.
func (w *world) depose() {
	old := w.leader()
	if old.term == nil || old.node.proc.stopped {
		w.anyNode().freeze()
		return
	}
	w.trace("m%d stands still and is cut off from the other managers", old.id)
	cut := func(is bool) {
		for _, m := range w.members {
			if m != old {
				w.net.cut[m.node.host][old.node.host], w.net.cut[old.node.host][m.node.host] = is, is
			}
		}
	}
	cut(true)
	procs := []*proc{old.proc, old.node.proc}
	for _, p := range procs {
		p.stop()
	}
	end := func() {
		for _, p := range procs {
			p.cont()
		}
		w.after(w.upTo(3*time.Second), func() { cut(false) })
	}
	w.succeeded(old, 100, func(ok bool) {
		if !ok {
			end()
			return
		}
		w.after(w.upTo(10*time.Second), func() {
			w.trace("m%d goes on", old.id)
			end()
			for range 3 {
				w.after(w.upTo(time.Second), w.loseSessions)
			}
		})
	})
}

// succeeded waits for another manager to lead, looking so many times.
func (w *world) succeeded(old *member, looks int, then func(bool)) {
	for _, m := range w.members {
		if m != old && m.term != nil {
			then(true)
			return
		}
	}
	if looks == 0 || w.calm {
		then(false)
		return
	}
	w.after(100*time.Millisecond, func() { w.succeeded(old, looks-1, then) })
}

// loseSessions breaks the connections of nodes that are no managers.
func (w *world) loseSessions() {
	for _, n := range w.nodes {
		if s := n.session; n.member == nil && s != nil && !w.calm {
			s.broke()
		}
	}
}
