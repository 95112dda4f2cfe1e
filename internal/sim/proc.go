package sim

import "time"

// proc is a process: what was begun in one of its lives never reaches another, and while it is stopped, what happens
// to it waits.
type proc struct {
	w       *world
	clock   *clock
	lives   uint64
	life    uint64 // 0: it does not run
	stopped bool
	backlog []func()
}

func (p *proc) up() bool { return p.life != 0 }

func (p *proc) begin() {
	p.lives++
	p.life = p.lives
}

func (p *proc) end() { p.life, p.stopped, p.backlog = 0, false, nil }

// do gives f to the present life, whenever it is called.
func (p *proc) do(f func()) func() {
	life := p.life
	return func() {
		switch {
		case life == 0 || p.life != life:
		case p.stopped:
			p.backlog = append(p.backlog, f)
		default:
			f()
		}
	}
}

// stop is SIGSTOP, or a virtual machine that is moved.
func (p *proc) stop() { p.stopped = p.up() }

// cont lets the process go on with what has gathered.
func (p *proc) cont() {
	if !p.stopped {
		return
	}
	p.stopped = false
	life, backlog := p.life, p.backlog
	p.backlog = nil
	for _, f := range backlog {
		if p.life == life {
			f()
		}
	}
}

// actor is a part of a process that is stepped when it asks for it or something happens to it.
type actor struct {
	p    *proc
	step func()
	at   time.Time // when it is stepped next, by the world's clock; zero: not
	dead bool
}

// wake has the actor stepped at t, a time of its process's clock, or earlier if that was asked for already.
func (a *actor) wake(t time.Time) {
	if !t.IsZero() {
		a.wakeAt(t.Add(-a.p.clock.offset))
	}
}

func (a *actor) wakeAt(t time.Time) {
	w := a.p.w
	if a.dead || !a.at.IsZero() && !t.Before(a.at) {
		return
	}
	if t.Before(w.now()) {
		t = w.now()
	}
	a.at = t
	w.after(t.Sub(w.now()), a.p.do(func() {
		if a.dead || !a.at.Equal(t) {
			return
		}
		a.at = time.Time{}
		a.step()
	}))
}

// poke has the actor stepped soon.
func (a *actor) poke() { a.wakeAt(a.p.w.now().Add(a.p.w.soon())) }
