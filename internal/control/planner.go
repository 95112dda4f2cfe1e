package control

import (
	"cmp"
	"time"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// Key names something a planner plans. Kind is the planner's own.
type Key struct {
	Kind uint8
	model.Key
}

// compare puts keys in one order, so that equal wake-up times do not depend on a map's.
func (k Key) compare(o Key) int { return cmp.Or(cmp.Compare(k.Kind, o.Kind), k.Key.Compare(o.Key)) }

// Planner decides what one stage writes.
type Planner interface {
	Name() string
	// Writer is the owner of the tables Plan writes.
	Writer() store.Writer
	// Inputs says which tables' changes concern which keys.
	Inputs() []Input
	// All lists every key there is: where a new leader starts, or one that fell behind the change feed.
	All(store.View) []Key
	// Plan is pure: the same view, keys and time give the same result.
	Plan(v store.View, keys []Key, now time.Time) (Result, error)
}

// Result is what a planner decided.
type Result struct {
	Changes []store.Change // applied in this order
	// Conditions are on rows that somebody beside the planner writes, under the same name or about the same object: each
	// goes with the change of the row of that key, and that batch is refused when it does not hold.
	Conditions []store.Condition
	Wake       map[Key]time.Time // when a key is to be planned again though nothing changed
}

// Input maps one table's changes to keys.
type Input struct {
	Table store.TableID
	keys  func(store.Event) []Key
}

// On is the input of table t. Of old and cur one may be nil: a new or a deleted row.
func On[R any](t *store.Table[R], keys func(old, cur *R) []Key) Input {
	return Input{Table: t.ID(), keys: func(e store.Event) []Key {
		old, _ := any(e.Old).(*R)
		cur, _ := any(e.New).(*R)
		return keys(old, cur)
	}}
}

// Wakes notes that key is to be planned again at t, or earlier if that was asked for already.
func (r *Result) Wakes(key Key, t time.Time) {
	if r.Wake == nil {
		r.Wake = map[Key]time.Time{}
	}
	if old, ok := r.Wake[key]; !ok || t.Before(old) {
		r.Wake[key] = t
	}
}
