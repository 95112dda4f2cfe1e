package sim

import (
	"container/heap"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"math/rand/v2"
	"time"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/model"
)

// Options choose what a run is like. Its zero value is a run of five virtual minutes with every kind of fault.
type Options struct {
	Length time.Duration // how long users and faults are active; 0 means 5 minutes
	Trace  func(string)  // every event, for reading a run that failed; nil: none
}

// Result is what a run was.
type Result struct {
	Hash    [32]byte // of the change log
	Entries uint64   // in the change log
	Events  uint64
	Crashes int
	Virtual time.Duration
}

// world is one run. It belongs to one goroutine.
type world struct {
	opts  Options
	rng   *rand.Rand
	clock *env.Manual
	env   env.Env
	start time.Time

	queue  queue
	seq    uint64
	err    error
	failed time.Time
	count  uint64

	manager *member
	nodes   []*node
	users   users
	calm    bool // nothing breaks any more

	hash    hash.Hash
	history [][32]byte // of each log entry by index, as first applied
	checks  checks
	crashes int
	recent  []string // the last events, for a failure's message
}

// Run simulates one cluster. An error is a broken invariant, with what happened before it.
func Run(seed uint64, opts Options) (Result, error) {
	if opts.Length == 0 {
		opts.Length = 5 * time.Minute
	}
	w := newWorld(seed, opts)
	w.found()
	w.every(time.Second+w.upTo(15*time.Second), w.userActs)
	w.every(3*time.Second+w.upTo(40*time.Second), w.breakSomething)
	w.runUntil(w.start.Add(opts.Length))
	if w.err == nil {
		w.settle()
	}
	res := Result{Entries: uint64(len(w.history)), Events: w.count, Crashes: w.crashes, Virtual: w.now().Sub(w.start)}
	copy(res.Hash[:], w.hash.Sum(nil))
	if w.err != nil {
		return res, fmt.Errorf("seed %d, %s after the start: %w\n%s", seed, w.failed.Sub(w.start), w.err, w.lastEvents())
	}
	return res, nil
}

func newWorld(seed uint64, opts Options) *world {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	start := time.Unix(1_700_000_000, 0)
	w := &world{opts: opts, clock: env.NewManual(start), start: start, hash: sha256.New(), checks: newChecks(), users: newUsers()}
	w.rng = rand.New(rand.NewChaCha8(key))
	w.env = env.Seeded(w.rng.Uint64(), w.clock)
	return w
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
	heap.Push(&w.queue, event{w.now().Add(d), w.seq, f})
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

// runUntil lets time pass. It ends early when an invariant breaks.
func (w *world) runUntil(t time.Time) {
	for w.err == nil && len(w.queue) > 0 && !w.queue[0].at.After(t) {
		e := heap.Pop(&w.queue).(event)
		w.clock.Set(e.at)
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
	at  time.Time
	seq uint64
	do  func()
}

type queue []event

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return q[i].at.Before(q[j].at) || q[i].at.Equal(q[j].at) && q[i].seq < q[j].seq
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(event)) }
func (q *queue) Pop() any {
	old := *q
	e := old[len(old)-1]
	*q = old[:len(old)-1]
	return e
}

// actor is something that is stepped when it asks for it or something happens to it.
type actor struct {
	w    *world
	step func()
	at   time.Time // when it is stepped next; zero: not
	dead bool
}

// wake has the actor stepped at t, or earlier if that was asked for already.
func (a *actor) wake(t time.Time) {
	if t.IsZero() || a.dead || !a.at.IsZero() && !t.Before(a.at) {
		return
	}
	if t.Before(a.w.now()) {
		t = a.w.now()
	}
	a.at = t
	a.w.after(t.Sub(a.w.now()), func() {
		if a.dead || !a.at.Equal(t) {
			return
		}
		a.at = time.Time{}
		a.step()
	})
}

// poke has the actor stepped soon.
func (a *actor) poke() { a.wake(a.w.now().Add(a.w.soon())) }
