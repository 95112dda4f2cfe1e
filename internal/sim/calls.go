package sim

import (
	"crypto/sha256"
	"errors"
	"slices"

	"github.com/skep-org/skep/internal/manager"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/store/raft"
)

var (
	errTimeout = errors.New("the cluster has no leader")                 // nothing was written
	errUnknown = errors.New("nobody knows whether the write came about") // it may be later
)

// calls are the requests that a manager has under way, for its users and for other managers' users. They do what
// [manager.Front] does with goroutines.
type calls struct {
	reads   map[uint64]func(error)
	last    uint64
	commits []commit
	awaits  []await
	op      *op // whose batch is being proposed just now
	open    map[*op]bool
}

// commit is a batch whose outcome is waited for.
type commit struct {
	pending *store.Pending
	done    func(index uint64, err error)
}

// await waits for this member to have applied the log up to index.
type await struct {
	index uint64
	done  func()
}

func newCalls() calls { return calls{reads: map[uint64]func(error){}, open: map[*op]bool{}} }

// proposed remembers which entry is whose.
func (c *calls) proposed(w *world, data []byte) {
	if c.op != nil {
		w.proposals[sha256.Sum256(data)] = c.op
	}
}

// advanced answers what the log's progress answers.
func (c *calls) advanced(m *member, reads []raft.Read) {
	for _, r := range reads {
		if f := c.reads[r.Token]; f != nil {
			delete(c.reads, r.Token)
			f(nil)
		}
	}
	commits := c.commits
	c.commits = nil
	for _, p := range commits {
		if index, known, err := p.pending.Result(); known {
			p.done(index, err)
		} else {
			c.commits = append(c.commits, p)
		}
	}
	index := m.store.View().Index()
	awaits := c.awaits
	c.awaits = nil
	for _, a := range awaits {
		if a.index <= index {
			a.done()
		} else {
			c.awaits = append(c.awaits, a)
		}
	}
}

// crashed breaks the connections of the users.
func (c *calls) crashed(w *world) {
	var open []*op
	for o := range c.open {
		open = append(open, o)
	}
	slices.SortFunc(open, func(a, b *op) int { return a.number - b.number })
	for _, o := range open {
		w.after(w.soon(), func() { o.answer(errUnknown) })
	}
}

// fresh calls f when the member's view holds all that was acknowledged anywhere.
func (m *member) fresh(f func(error)) {
	if m.w.has(bugStaleRead) {
		f(nil)
		return
	}
	c := &m.calls
	c.last++
	token := c.last
	c.reads[token] = f
	m.machine.Read(token)
	m.raft.poke()
	m.w.after(manager.LeaderWait, m.proc.do(func() {
		if c.reads[token] != nil {
			delete(c.reads, token)
			f(errTimeout)
		}
	}))
}

// commit commits a batch on this member, if it leads.
func (m *member) commit(o *op, b *store.Batch, done func(uint64, error)) {
	m.calls.op = o
	p := m.rep.Commit(b)
	m.calls.op = nil
	if index, known, err := p.Result(); known {
		done(index, err)
		return
	}
	if m.w.has(bugEarlyAnswer) {
		done(0, nil)
		return
	}
	m.calls.commits = append(m.calls.commits, commit{p, done})
}

// write commits a batch at whoever leads, and answers when this member shows it.
func (m *member) write(o *op, b *store.Batch, answer func(uint64, error)) {
	end, over := m.w.now().Add(manager.LeaderWait), false
	once := func(index uint64, err error) {
		if !over {
			over = true
			answer(index, err)
		}
	}
	asked := false
	var try func()
	landed := func(index uint64, err error) {
		again := errors.Is(err, store.ErrNotLeader) || m.w.has(bugRetriedWrite) && errors.Is(err, store.ErrUnknownOutcome)
		switch {
		case over:
		case again:
			asked = false
			m.w.after(manager.LeaderRetry, m.proc.do(try))
		case err != nil:
			once(index, err)
		default:
			m.calls.awaits = append(m.calls.awaits, await{index, func() { once(index, nil) }})
			m.raft.poke()
		}
	}
	try = func() {
		switch to := m.lead.Leader; {
		case over || !m.w.now().Before(end):
			once(0, errTimeout)
		case m.lead.Leading:
			asked = true
			m.commit(o, b, landed)
		case to != 0 && to != m.id:
			asked = true
			m.forward(m.w.members[to-1], o, b, landed)
		default:
			landed(0, store.ErrNotLeader)
		}
	}
	m.w.after(manager.LeaderWait, m.proc.do(func() {
		if asked {
			once(0, errUnknown)
		}
	}))
	try()
}

// forward has another manager commit a batch. One that cannot be reached has written nothing; where the request or
// its answer is on the way for too long, nobody can tell.
func (m *member) forward(to *member, o *op, b *store.Batch, landed func(uint64, error)) {
	w := m.w
	from, at := m.node.host, to.node.host
	if w.net.cut[from][at] || !to.proc.up() {
		w.after(w.net.takes(), m.proc.do(func() { landed(0, store.ErrNotLeader) }))
		return
	}
	back := &stream{net: w.net, from: at, to: from}
	there := &stream{net: w.net, from: from, to: at}
	home := m.proc.do
	life := m.proc.life
	there.send(to.proc.do(func() {
		to.commit(o, b, func(index uint64, err error) {
			back.send(func() {
				if m.proc.life == life {
					home(func() { landed(index, err) })()
				}
			})
		})
	}))
}
