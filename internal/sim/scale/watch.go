package scale

import (
	"context"
	"sync"
	"time"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// watch follows the tables of one manager, as somebody who watches the API does, and notes when tasks come to run.
type watch struct {
	store *store.Store

	mu      sync.Mutex
	running int
	placed  int
	since   time.Time
	took    []time.Duration // of those that came to run since
	last    time.Time       // when the newest of them did
	lastPut time.Time       // when the newest placement came
	missed  bool            // the feed was too short once: some times are those of the report's receipt
}

// watched is what a watch has seen since it began.
type watched struct {
	Running int           // now, whenever they came to
	Came    int           // of them since the beginning
	Placed  int           // since the beginning
	P50     time.Duration // from a service's creation to its tasks' running
	P99     time.Duration
	Max     time.Duration
	LastRun time.Duration // from the beginning to the newest of all
	LastPut time.Duration
	Missed  bool
}

func newWatch(s *store.Store) *watch { return &watch{store: s, since: time.Now()} }

// run follows until ctx ends.
func (w *watch) run(ctx context.Context) error {
	after := w.store.View().Index()
	for {
		changed := w.store.Changed()
		events, view, whole := w.store.Events(after)
		after = view.Index()
		if whole {
			w.take(view, events, time.Now())
		} else {
			w.recount(view)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (w *watch) take(v store.View, events []store.Event, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range events {
		switch e.Table {
		case store.Statuses.ID():
			w.status(v, e, now)
		case store.Placements.ID():
			old, _ := e.Old.(*model.Placement)
			if p, ok := e.New.(*model.Placement); ok && !p.NodeID.IsZero() && (old == nil || old.NodeID.IsZero()) {
				w.placed++
				w.lastPut = now
			}
		}
	}
}

func (w *watch) status(v store.View, e store.Event, now time.Time) {
	old, _ := e.Old.(*model.TaskStatus)
	cur, _ := e.New.(*model.TaskStatus)
	was, is := old != nil && old.State == model.StateRunning, cur != nil && cur.State == model.StateRunning
	switch {
	case was && !is:
		w.running--
	case is && !was:
		w.running++
		if at := created(v, cur.TaskID); !at.IsZero() && !at.Before(w.since) {
			w.took, w.last = append(w.took, now.Sub(at)), now
		}
	}
}

// created is when the service of a task was; zero: it is gone.
func created(v store.View, task model.ID) time.Time {
	t := store.Tasks.ByID(v, task)
	if t == nil {
		return time.Time{}
	}
	s := store.Services.ByID(v, t.ServiceID)
	if s == nil {
		return time.Time{}
	}
	return time.Unix(0, s.Created)
}

// recount makes up for events that the feed had dropped. When tasks came to run is then known by the leader's receipt of the
// report, which is earlier than its commit.
func (w *watch) recount(v store.View) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.missed = true
	w.running, w.placed, w.took = 0, 0, w.took[:0]
	for p := range store.Placements.All(v) {
		if at := created(v, p.TaskID); !p.NodeID.IsZero() && !at.Before(w.since) {
			w.placed++
		}
	}
	for st := range store.Statuses.All(v) {
		if st.State != model.StateRunning {
			continue
		}
		w.running++
		if at := created(v, st.TaskID); !at.IsZero() && !at.Before(w.since) {
			w.took = append(w.took, time.Unix(0, st.At).Sub(at))
		}
	}
	w.last, w.lastPut = time.Now(), time.Now()
}

// begin forgets what was seen but for what runs: only services created from now on count.
func (w *watch) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.since, w.took, w.placed, w.missed = time.Now(), nil, 0, false
	w.last, w.lastPut = w.since, w.since
}

func (w *watch) seen() watched {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := spread(w.took)
	return watched{
		Running: w.running, Came: len(w.took), Placed: w.placed, P50: d.P50, P99: d.P99, Max: d.Max,
		LastRun: w.last.Sub(w.since), LastPut: w.lastPut.Sub(w.since), Missed: w.missed,
	}
}
