package control

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/store"
)

const (
	// maxInFlight bounds the batches a stage has under way: enough to hide an fsync, few enough that the view it
	// plans over stays cheap to make.
	maxInFlight = 8
	// maxAhead bounds their changes: each plan makes its view of all of them anew.
	maxAhead = 1 << 14
	// batchBytes leaves an entry's head and conditions room below store.MaxBatchBytes.
	batchBytes = store.MaxBatchBytes - 64_000
	// usuallyDue is for how many due keys room is kept from one plan to the next.
	usuallyDue = 1 << 10
	// retryRefused is how long a refused write's keys wait, so that a persistent refusal cannot spin.
	retryRefused = 100 * time.Millisecond
)

// Loop drives one planner. It belongs to one goroutine.
type Loop struct {
	planner Planner
	store   *store.Store
	commit  store.Committer
	clock   env.Clock

	inputs   map[store.TableID][]Input
	started  bool
	seen     uint64
	due      []Key
	isDue    map[Key]bool
	wake     WakeQueue[Key]
	inFlight []flight
}

// flight is a batch under way and the keys it was planned for.
type flight struct {
	pending *store.Pending
	batch   *store.Batch
	keys    []Key
}

// inDoubt reports whether the batch may be refused. Nothing is planned over it: what takes it for applied, and is not refused
// with it, would write the half of something.
func (f flight) inDoubt() bool { return len(f.batch.Conditions) > 0 }

// NewLoop makes the loop of one planner.
func NewLoop(p Planner, s *store.Store, c store.Committer, clock env.Clock) *Loop {
	l := &Loop{planner: p, store: s, commit: c, clock: clock, inputs: map[store.TableID][]Input{}, isDue: map[Key]bool{}}
	for _, in := range p.Inputs() {
		l.inputs[in.Table] = append(l.inputs[in.Table], in)
	}
	return l
}

// Run steps until ctx ends or a step fails.
func (l *Loop) Run(ctx context.Context) error {
	for {
		changed := l.store.Changed()
		next, err := l.Step(l.clock.Now())
		if err != nil {
			return err
		}
		if err := l.sleep(ctx, changed, next); err != nil {
			return err
		}
	}
}

func (l *Loop) sleep(ctx context.Context, changed <-chan struct{}, next time.Time) error {
	var timer <-chan time.Time
	if !next.IsZero() {
		var stop func()
		timer, stop = l.clock.NewTimer(next.Sub(l.clock.Now()))
		defer stop()
	}
	// A batch's outcome is told after the state it made is published: waiting for the change alone could miss it.
	var landed <-chan struct{}
	if len(l.inFlight) > 0 {
		landed = l.inFlight[0].pending.Done()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-changed:
	case <-landed:
	case <-timer:
	}
	return nil
}

// Step does all that can be done at now and returns when it wants to be called again though nothing changed; the
// zero time means never.
func (l *Loop) Step(now time.Time) (time.Time, error) {
	if err := l.land(now); err != nil {
		return time.Time{}, err
	}
	view := l.observe()
	for _, k := range l.wake.Pop(now) {
		l.mark(k)
	}
	if len(l.due) > 0 && l.mayPlan() {
		if err := l.plan(view, now); err != nil {
			return time.Time{}, fmt.Errorf("%s: %w", l.planner.Name(), err)
		}
	}
	return l.wake.Next(), nil
}

// mayPlan reports whether what is under way leaves room for more.
func (l *Loop) mayPlan() bool {
	ahead := 0
	for _, f := range l.inFlight {
		ahead += len(f.batch.Changes)
	}
	return len(l.inFlight) < maxInFlight && ahead < maxAhead && !slices.ContainsFunc(l.inFlight, flight.inDoubt)
}

// land takes the outcomes of batches that have one, in order.
func (l *Loop) land(now time.Time) error {
	for len(l.inFlight) > 0 {
		f := l.inFlight[0]
		_, known, err := f.pending.Result()
		if !known {
			return nil
		}
		if errors.Is(err, store.ErrNotLeader) || errors.Is(err, store.ErrUnknownOutcome) || errors.Is(err, store.ErrWriter) {
			return fmt.Errorf("%s: %w", l.planner.Name(), err)
		}
		if err != nil {
			for _, k := range f.keys {
				l.wake.Add(k, now.Add(retryRefused))
			}
		}
		l.inFlight = l.inFlight[1:]
	}
	return nil
}

// observe marks the keys that changes since the last step concern and returns the view they are in.
func (l *Loop) observe() store.View {
	events, view, ok := l.store.Events(l.seen)
	if !ok || !l.started {
		l.started = true
		for _, k := range l.planner.All(view) {
			l.mark(k)
		}
	} else {
		for _, e := range events {
			for _, in := range l.inputs[e.Table] {
				for _, k := range in.keys(e) {
					l.mark(k)
				}
			}
		}
	}
	l.seen = view.Index()
	return view
}

func (l *Loop) mark(k Key) {
	if !l.isDue[k] {
		l.isDue[k] = true
		l.due = append(l.due, k)
	}
}

func (l *Loop) plan(view store.View, now time.Time) error {
	for _, f := range l.inFlight {
		var err error
		if view, err = l.store.With(view, f.batch.Changes); err != nil {
			return nil //nolint:nilerr // a refusal is under way: plan when it has landed
		}
	}
	keys := l.due
	l.due, l.isDue = nil, make(map[Key]bool, min(len(keys), usuallyDue)) // a leader's first keys are all there are: no room is kept for as many
	res, err := l.planner.Plan(view, keys, now)
	if err != nil {
		return err
	}
	for _, k := range slices.SortedFunc(maps.Keys(res.Wake), Key.compare) {
		l.wake.Add(k, res.Wake[k])
	}
	for _, changes := range Split(res.Changes) {
		b := &store.Batch{Writer: l.planner.Writer(), Conditions: about(res.Conditions, changes), Changes: changes}
		l.inFlight = append(l.inFlight, flight{l.commit.Commit(b), b, keys})
	}
	return nil
}

// about picks the conditions on what a batch changes: the row itself, or what another table has of the same object.
func about(conditions []store.Condition, changes []store.Change) []store.Condition {
	var out []store.Condition
	for _, cond := range conditions {
		if slices.ContainsFunc(changes, func(c store.Change) bool { return c.Key == cond.Key }) {
			out = append(out, cond)
		}
	}
	return out
}

// Split cuts changes into batches that fit a log entry each. They are encoded in their place.
func Split(changes []store.Change) [][]store.Change {
	var out [][]store.Change
	var e store.Encoder
	size, from := 0, 0
	for i := range changes {
		var n int
		changes[i], n = e.Encoded(changes[i])
		if size+n > batchBytes && i > from {
			out = append(out, changes[from:i:i])
			from, size = i, 0
		}
		size += n
	}
	if from < len(changes) {
		out = append(out, changes[from:])
	}
	return out
}
