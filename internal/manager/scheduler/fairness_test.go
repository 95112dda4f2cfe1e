package scheduler

import (
	"fmt"
	"testing"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// TestTurnsAreFair: a small service has its nodes in the first turn, whoever came before it: a service of very many tasks, one
// that fits nowhere, or many of both. No turn writes more than it may, and in the end each task has a node or a reason.
func TestTurnsAreFair(t *testing.T) {
	w := newWorld(t)
	w.do("node n1 cpu=1000000")
	w.do("node n2 cpu=1000000")
	w.do("service a-huge cpu=1")
	for _, slots := range []string{"1-10000", "10001-20000"} { // an entry takes no more
		w.do("tasks a-huge slots=" + slots)
	}
	w.do("service b-no cpu=2000000")
	for _, slots := range []string{"1-10000", "10001-20000"} {
		w.do("tasks b-no slots=" + slots)
	}
	for i := range 3 {
		w.do(fmt.Sprintf("service c%d cpu=1", i))
		w.do(fmt.Sprintf("tasks c%d slots=1-2000", i))
	}
	w.do("service z-small cpu=1")
	w.do("tasks z-small slots=1-5")

	p := New()
	v := w.s.View()
	keys := p.All(v)
	small, turns, rows := 0, 0, 0
	for ; len(keys) > 0; turns++ {
		res, err := p.Plan(v, keys, w.clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		if len(res.Changes) > 2*roundLimit {
			t.Fatalf("turn %d writes %d rows", turns, len(res.Changes))
		}
		rows += len(res.Changes)
		for _, c := range res.Changes {
			pl := c.Row.(*model.Placement)
			if store.Tasks.ByID(v, pl.TaskID).ServiceID != w.id("z-small") {
				continue
			}
			if small++; turns > 0 || pl.NodeID.IsZero() {
				t.Fatalf("a task of the small service has node %q in turn %d", w.names[pl.NodeID], turns)
			}
		}
		if v, err = w.s.With(v, res.Changes); err != nil {
			t.Fatal(err)
		}
		keys = keys[:0]
		for k := range res.Wake {
			keys = append(keys, k)
		}
	}
	if placed := len(placedAt(v)); small != 5 || placed != 26_005 || rows != 46_005 {
		t.Fatalf("of the small service %d are placed, of all %d; %d rows were written in %d turns", small, placed, rows, turns)
	}
	if turns > 6 {
		t.Fatalf("it took %d turns", turns)
	}
}
