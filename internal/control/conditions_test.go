package control

import (
	"testing"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// A condition goes with the change of its object, in whatever table, and with no other: a refusal elsewhere would hold up
// what it is not about.
func TestConditionsGoWithTheirRow(t *testing.T) {
	a, b := model.KeyOf(model.NumID(1)), model.KeyOf(model.NumID(2))
	conditions := []store.Condition{store.Services.Present(a), store.Placements.Absent(a), store.Services.Present(b)}
	got := about(conditions, []store.Change{store.Services.Delete(b), store.Services.Delete(model.KeyOf(model.NumID(3)))})
	if len(got) != 1 || got[0] != conditions[2] {
		t.Fatalf("the batch has the conditions %v", got)
	}
	if got := about(conditions, []store.Change{store.Tasks.Delete(a)}); len(got) != 2 || got[1] != conditions[1] {
		t.Fatalf("the batch of a task lacks the condition on where it is placed: %v", got)
	}
}
