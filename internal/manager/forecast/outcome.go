package forecast

import (
	"cmp"
	"iter"
	"slices"
	"time"

	"github.com/moby/moby/api/types/swarm"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// Outcome is what becomes of the writes.
type Outcome struct {
	Services []Service     // those that are written, and others of which tasks come, go or move
	Takes    time.Duration // at least: the delays and the monitoring of rolling updates, one after the other
	Open     string        `json:",omitempty"` // why it was not followed to its end
}

// Service is what becomes of one.
type Service struct {
	ID, Name string
	Written  bool              // false: only its tasks change
	Stay     int               // tasks that are left alone
	Tasks    []Task            // those that come, go or are replaced, by slot
	Update   swarm.UpdateState `json:",omitempty"` // what the rolling update comes to
	Message  string            `json:",omitempty"`
}

// Fate is what becomes of a task.
type Fate string

// The fates of tasks.
const (
	Starts   Fate = "starts"
	Stops    Fate = "stops"
	Restarts Fate = "restarts" // another takes its slot
)

// Task is one slot whose task is another in the end, or has a node then and had none.
type Task struct {
	Slot    uint64 `json:",omitempty"`
	Node    string `json:",omitempty"` // of a global service: the host name of the node that it is the task of
	Fate    Fate
	Ends    bool   `json:",omitempty"` // it is a job's, and completes
	From    string `json:",omitempty"` // the host name of the node where the old one runs, if it has one
	To      string `json:",omitempty"` // and that of the new one
	Pending string `json:",omitempty"` // why the new one has none
}

// place is a slot: the zero node is a replicated service's.
type place struct {
	slot uint64
	node model.ID
}

// Outcome compares what is foreseen with what there was.
func (f *Forecast) Outcome() Outcome {
	after := f.store.View()
	out := Outcome{Services: []Service{}, Takes: f.clock.Now().Sub(f.start).Truncate(time.Millisecond), Open: f.open}
	for s := range store.Services.All(after) {
		one := f.service(s, after)
		if r := store.Rollouts.ByID(after, s.ID); r != nil && f.written(s) {
			one.Update, one.Message = r.State.Swarm(), r.Message
		}
		if one.Written || len(one.Tasks) > 0 {
			out.Services = append(out.Services, one)
		}
	}
	for s := range store.Services.All(f.began) {
		if store.Services.ByID(after, s.ID) == nil {
			out.Services = append(out.Services, f.service(s, after))
		}
	}
	slices.SortFunc(out.Services, func(a, b Service) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

func (f *Forecast) service(s *model.Service, after store.View) Service {
	out := Service{ID: s.ID.String(), Name: s.Name, Written: f.written(s) || store.Services.ByID(after, s.ID) == nil}
	before, then := present(f.began, s.ID, f.start), present(after, s.ID, f.clock.Now())
	for _, at := range places(before, then) {
		if then[at] == nil && f.ended(before[at]) {
			continue // there is nothing of it to stop
		}
		t, changes := f.becomes(at, before[at], then[at])
		if !changes {
			out.Stay++
			continue
		}
		out.Tasks = append(out.Tasks, t)
	}
	return out
}

// becomes says what becomes of a slot; nil is no task.
func (f *Forecast) becomes(at place, old, cur *model.Task) (t Task, changes bool) {
	after := f.store.View()
	t = Task{Slot: at.slot, Node: host(after, at.node)}
	if old != nil && !f.ended(old) {
		t.From, _ = lands(f.began, old, f.start)
	}
	if cur != nil {
		t.To, t.Pending = lands(after, cur, f.clock.Now())
		t.Ends = store.Observe(after, cur, f.clock.Now()).State.Terminal()
	}
	switch {
	case old != nil && cur != nil && old.ID == cur.ID:
		t.Fate, changes = Starts, t.From == "" && t.To != "" && !f.ended(old)
		return t, changes
	case cur == nil:
		t.Fate = Stops
	case t.From == "":
		t.Fate = Starts
	default:
		t.Fate = Restarts
	}
	return t, true
}

// ended reports whether a task had ended when the forecast began.
func (f *Forecast) ended(t *model.Task) bool {
	return store.Observe(f.began, t, f.start).State.Terminal()
}

// present are the tasks that hold a service's slots: of each the newest that is wanted and has not ended, or of a job
// has completed in the present iteration.
func present(v store.View, service model.ID, now time.Time) map[place]*model.Task {
	out := map[place]*model.Task{}
	s := store.Services.ByID(v, service)
	for t := range wanted(store.TasksOf(v, service)) {
		at := place{t.Slot, t.NodeID}
		state := store.Observe(v, t, now).State
		done := state == model.StateComplete && t.Desired == model.StateComplete && s != nil && uint64(t.Iteration) == s.Iteration
		if other := out[at]; (other == nil || other.Created < t.Created) && (done || !state.Terminal()) {
			out[at] = t
		}
	}
	return out
}

func wanted(all iter.Seq[*model.Task]) iter.Seq[*model.Task] {
	return func(yield func(*model.Task) bool) {
		for t := range all {
			if t.Desired < model.StateShutdown && !yield(t) {
				return
			}
		}
	}
}

func places(a, b map[place]*model.Task) []place {
	var out []place
	for at := range a {
		out = append(out, at)
	}
	for at := range b {
		if a[at] == nil {
			out = append(out, at)
		}
	}
	slices.SortFunc(out, func(x, y place) int { return cmp.Or(cmp.Compare(x.slot, y.slot), x.node.Compare(y.node)) })
	return out
}

// lands is where a task is, or why it is nowhere.
func lands(v store.View, t *model.Task, now time.Time) (node, pending string) {
	o := store.Observe(v, t, now)
	if o.State >= model.StateAssigned {
		return host(v, o.NodeID), ""
	}
	return "", cmp.Or(o.Err, o.Message)
}

// host is a node's host name, or its id where it has not said one yet.
func host(v store.View, node model.ID) string {
	if node.IsZero() {
		return ""
	}
	if n := store.NodeStates.ByID(v, node); n != nil {
		if name := n.Description.Get().Hostname; name != "" {
			return name
		}
	}
	return node.String()
}
