package stagetest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// Name is how scripts call a row.
func (w *World) Name(id model.ID) string {
	if id.IsZero() {
		return "-"
	}
	if n := w.names[id]; n != "" {
		return n
	}
	return id.String()
}

// ID finds a row by its name.
func (w *World) ID(name string) model.ID {
	w.t.Helper()
	id, ok := w.byName[name]
	if !ok {
		w.t.Fatalf("nothing is called %q", name)
	}
	return id
}

// Has reports whether something is called so.
func (w *World) Has(name string) bool { _, ok := w.byName[name]; return ok }

func (w *World) call(id model.ID, name string) {
	w.names[id], w.byName[name] = name, id
}

// number calls a row by a letter and the next number of its kind.
func (w *World) number(id model.ID, prefix string) {
	w.counts[prefix]++
	w.call(id, fmt.Sprintf("%s%d", prefix, w.counts[prefix]))
}

// nameTasks calls new tasks t1, t2 … in the order they were created, of those created at once by service and slot.
func (w *World) nameTasks() {
	var fresh []*model.Task
	for t := range store.Tasks.All(w.View()) {
		if w.names[t.ID] == "" {
			fresh = append(fresh, t)
		}
	}
	slices.SortFunc(fresh, func(a, b *model.Task) int {
		return cmp.Or(cmp.Compare(a.Index, b.Index), cmp.Compare(w.Name(a.ServiceID), w.Name(b.ServiceID)),
			cmp.Compare(a.Slot, b.Slot), cmp.Compare(w.Name(a.NodeID), w.Name(b.NodeID)))
	})
	for _, t := range fresh {
		w.number(t.ID, "t")
	}
}

// Describe lists changes for a message.
func (w *World) Describe(changes []store.Change) string {
	var b strings.Builder
	for _, c := range changes {
		fmt.Fprintf(&b, "\n  table %d row %s: %+v", c.Table, w.Name(c.Key.A), c.Row)
	}
	return b.String()
}
