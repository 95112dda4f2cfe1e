package stagetest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/skep-org/skep/internal/manager/await"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/model/dependency"
	"github.com/skep-org/skep/internal/store"
)

// Tasks lists all tasks by service, slot, node and the order they appeared in.
func (w *World) Tasks() []*model.Task {
	w.nameTasks()
	ts := slices.Collect(store.Tasks.All(w.View()))
	slices.SortFunc(ts, func(a, b *model.Task) int {
		return cmp.Or(cmp.Compare(w.Name(a.ServiceID), w.Name(b.ServiceID)), cmp.Compare(a.Slot, b.Slot),
			cmp.Compare(w.Name(a.NodeID), w.Name(b.NodeID)), cmp.Compare(w.order(a), w.order(b)))
	})
	return ts
}

func (w *World) order(t *model.Task) (n int) {
	_, _ = fmt.Sscanf(w.Name(t.ID), "t%d", &n) // a task with a name of another kind comes first
	return n
}

// PrintAwaits says what a service depends on that does not hold.
func (w *World) PrintAwaits(service string) string {
	spec := w.Spec(service)
	unmet, _ := await.At(w.View()).Unmet(dependency.Of(spec.Annotations))
	return cmp.Or(dependency.Reason(unmet), "waits for nothing") + "\n"
}

// PrintTasks lists tasks, one a line: name, service.slot, node, wanted and observed state, revision, reason, and how
// long until it may start.
func (w *World) PrintTasks(service string) string {
	var b strings.Builder
	for _, t := range w.Tasks() {
		if service != "" && w.Name(t.ServiceID) != service {
			continue
		}
		o := w.Observe(t)
		slot := fmt.Sprint(t.Slot)
		if !t.NodeID.IsZero() {
			slot = w.Name(t.NodeID)
		}
		if t.Iteration > 0 {
			slot += fmt.Sprintf(" (iteration %d)", t.Iteration)
		}
		fmt.Fprintf(&b, "%s %s.%s on %s: %s, %s; %s, %s", w.Name(t.ID), w.Name(t.ServiceID), slot, w.Name(o.NodeID), t.Desired, o.State, w.Name(t.Revision), t.Reason)
		if wait := time.Unix(0, t.NotBefore).Sub(w.Now()).Round(time.Millisecond); t.NotBefore != 0 && wait > 0 {
			fmt.Fprintf(&b, "; starts in %s", wait)
		}
		b.WriteByte('\n')
	}
	return cmp.Or(b.String(), "none\n")
}

// PrintRollout tells how a service's rollout stands.
func (w *World) PrintRollout(service string) string {
	r := store.Rollouts.ByID(w.View(), w.ID(service))
	if r == nil {
		return "none\n"
	}
	msg := r.Message
	for id, name := range w.names {
		msg = strings.ReplaceAll(msg, id.String(), name)
	}
	return fmt.Sprintf("%s %q active=%s previous=%s total=%d failures=%d\n",
		cmp.Or(string(r.State.Swarm()), "-"), msg, w.Name(r.Active), w.Name(r.Previous), r.Total, r.Failures)
}

// PrintSlots tells what is counted of a service's slots.
func (w *World) PrintSlots(service string) string {
	var b strings.Builder
	for s := range store.SlotsOf(w.View(), w.ID(service)) {
		fmt.Fprintf(&b, "%d %s: attempts=%d recent=%d streak=%d of %s\n", s.Slot, w.Name(s.NodeID), s.Attempts, len(s.Recent), s.Streak, w.Name(s.Revision))
	}
	return cmp.Or(b.String(), "none\n")
}

// PrintRevisions lists the revisions there are of a service.
func (w *World) PrintRevisions(service string) string {
	var names []string
	for r := range store.RevisionsOf(w.View(), w.ID(service)) {
		names = append(names, w.Name(r.ID))
	}
	slices.Sort(names)
	return cmp.Or(strings.Join(names, " "), "none") + "\n"
}
