package sim

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/model"
)

// Options choose what a run is like. Their zero value draws a cluster of one node or a few with one manager, and has
// every kind of fault for five virtual minutes.
type Options struct {
	Managers int           // how many managers, each on a node of its own; 0: one
	Agents   int           // how many nodes, those of the managers too; 0: drawn
	Length   time.Duration // how long users and faults are active; 0 means 5 minutes
	Faults   int           // how many faults there are to be in that time; 0: 100
	Requests int           // how many requests of users; 0: 300
	Depend   bool          // services depend on others
	Trace    func(string)  // every event, for reading a run that failed; nil: none

	bug bug
}

// guestsAct is how often in a run a container that no task runs comes or goes.
const guestsAct = 40

// Result is what a run was.
type Result struct {
	Hash     [32]byte // of the change log
	Entries  uint64   // in the change log
	Events   uint64
	Faults   int
	Requests int
	Crashes  int
	Terms    int           // leader terms
	Settled  time.Duration // from two minutes after the last fault until everything was as asked
	Virtual  time.Duration
}

// world is one run. It belongs to one goroutine.
type world struct {
	opts  Options
	rng   *rand.Rand
	clock *env.Manual
	env   env.Env
	start time.Time

	queue   queue
	seq     uint64
	err     error
	failed  time.Time
	count   uint64
	moments int64

	members       []*member
	nodes         []*node
	networks      []model.ID // that services and guests may join
	net           *network
	users         users
	clients       int
	snapshotEvery uint64
	founded       bool // users and faults may begin
	calm          bool // nothing breaks any more

	hash      hash.Hash
	ref       reference
	proposals map[[32]byte]*op // requests by the entry they became
	checks    checks
	broken    int
	crashes   int
	terms     int
	settled   time.Duration
	recent    []string // the last events, for a failure's message
}

// Run simulates one cluster. An error is a broken invariant, with what happened before it. The raft library draws from
// crypto/rand: to have the same run twice, the caller seeds that, too.
func Run(seed uint64, opts Options) (Result, error) {
	w, err := newWorld(seed, opts)
	if err != nil {
		return Result{}, err
	}
	w.found()
	w.founded = true
	opts = w.opts
	w.every(opts.Length/time.Duration(opts.Requests*2), w.userActs)
	w.every(opts.Length/time.Duration(opts.Faults*5/4), w.breakSomething)
	w.every(opts.Length/guestsAct, w.guestActs)
	w.runUntil(w.now().Add(opts.Length))
	for longest := w.now().Add(2 * opts.Length); w.err == nil && (w.broken < opts.Faults || w.users.asked < opts.Requests) && w.now().Before(longest); {
		w.runUntil(w.now().Add(time.Second))
	}
	if w.err == nil {
		w.settle()
	}
	if w.err == nil {
		if err := w.linearizable(); err != nil {
			w.fail("%w", err)
		}
	}
	res := Result{
		Entries: uint64(len(w.ref.history)), Events: w.count, Faults: w.broken, Requests: w.users.asked, Crashes: w.crashes,
		Terms: w.terms, Settled: w.settled, Virtual: w.now().Sub(w.start),
	}
	copy(res.Hash[:], w.hash.Sum(nil))
	if w.err != nil {
		return res, fmt.Errorf("seed %d, %s after the start: %w\n%s", seed, w.failed.Sub(w.start), w.err, w.lastEvents())
	}
	return res, nil
}

func newWorld(seed uint64, opts Options) (*world, error) {
	opts = opts.withDefaults()
	if opts.Agents != 0 && opts.Agents < opts.Managers {
		return nil, fmt.Errorf("%d nodes are too few for %d managers", opts.Agents, opts.Managers)
	}
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	start := time.Unix(1_700_000_000, 0)
	w := &world{
		opts: opts, clock: env.NewManual(start), start: start, hash: sha256.New(), checks: newChecks(), users: newUsers(),
		proposals: map[[32]byte]*op{},
	}
	w.rng = rand.New(rand.NewChaCha8(key))
	w.env = env.Seeded(w.rng.Uint64(), w.clock)
	w.clients = 1 + w.rng.IntN(6)
	w.snapshotEvery = uint64(40 + w.rng.IntN(400))
	var err error
	w.ref, err = newReference(w)
	return w, err
}

// Entropy is what crypto/rand is to be for a run to be reproduced: the raft library draws its election timeouts there.
func Entropy(seed uint64) io.Reader {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], ^seed)
	return rand.NewChaCha8(key)
}

func (o Options) withDefaults() Options {
	set := func(v *int, to int) {
		if *v <= 0 {
			*v = to
		}
	}
	set(&o.Managers, 1)
	set(&o.Faults, 100)
	set(&o.Requests, 300)
	if o.Length <= 0 {
		o.Length = 5 * time.Minute
	}
	return o
}

func (w *world) now() time.Time { return w.clock.Now() }

// newID draws an id.
func (w *world) newID() model.ID { return w.env.NewID() }

// upTo draws a duration.
func (w *world) upTo(most time.Duration) time.Duration {
	return time.Duration(w.rng.Int64N(int64(most) + 1))
}

// chance is true in n of a thousand cases.
func (w *world) chance(n int) bool { return w.rng.IntN(1000) < n }

// soon draws the delay of something that is due: mostly short, now and then long.
func (w *world) soon() time.Duration {
	if !w.calm && w.chance(10) {
		return w.upTo(time.Second)
	}
	return w.upTo(2 * time.Millisecond)
}

// after has f called later.
func (w *world) after(d time.Duration, f func()) {
	w.seq++
	w.queue.push(event{w.now().Add(d).UnixNano(), w.seq, f})
}

// every has f called again and again at random, about once in d, until the calm.
func (w *world) every(d time.Duration, f func()) {
	w.after(w.upTo(2*d), func() {
		if !w.calm {
			f()
			w.every(d, f)
		}
	})
}

// runUntil lets time pass. It ends early when an invariant breaks, also one that a part of the cluster watches itself
// and panics over.
func (w *world) runUntil(t time.Time) {
	defer func() {
		if what := recover(); what != nil {
			w.fail("panic: %v\n%s", what, debug.Stack())
		}
	}()
	for w.err == nil && len(w.queue) > 0 && w.queue[0].at <= t.UnixNano() {
		e := w.queue.pop()
		w.clock.Set(time.Unix(0, e.at))
		w.count++
		e.do()
	}
	w.clock.Set(t)
}

// fail ends the run.
func (w *world) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf(format, args...)
		w.failed = w.now()
	}
}

func (w *world) trace(format string, args ...any) {
	line := fmt.Sprintf("%9.3fs ", w.now().Sub(w.start).Seconds()) + fmt.Sprintf(format, args...)
	if w.opts.Trace != nil {
		w.opts.Trace(line)
	}
	const keep = 60
	if len(w.recent) >= keep {
		w.recent = w.recent[1:]
	}
	w.recent = append(w.recent, line)
}

func (w *world) lastEvents() string {
	out := "the last events:\n"
	for _, l := range w.recent {
		out += "  " + l + "\n"
	}
	return out
}

// event is something that will happen.
type event struct {
	at  int64 // Unix nanoseconds
	seq uint64
	do  func()
}

func (e *event) before(o *event) bool { return e.at < o.at || e.at == o.at && e.seq < o.seq }

// queue is a heap of events. container/heap would move each through an interface, and half of a run is this.
type queue []event

func (q *queue) push(e event) {
	*q = append(*q, e)
	h, i := *q, len(*q)-1
	for i > 0 {
		up := (i - 1) / 4
		if !e.before(&h[up]) {
			break
		}
		h[i] = h[up]
		i = up
	}
	h[i] = e
}

func (q *queue) pop() event {
	h := *q
	top, last := h[0], h[len(h)-1]
	h[len(h)-1] = event{}
	h = h[:len(h)-1]
	*q = h
	i := 0
	for len(h) > 0 {
		least := 4*i + 1
		if least >= len(h) {
			break
		}
		for c := least + 1; c < min(4*i+5, len(h)); c++ {
			if h[c].before(&h[least]) {
				least = c
			}
		}
		if !h[least].before(&last) {
			break
		}
		h[i] = h[least]
		i = least
	}
	if len(h) > 0 {
		h[i] = last
	}
	return top
}
