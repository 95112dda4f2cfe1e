package scheduler

import (
	"bytes"
	"slices"
	"time"

	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// Planner is the scheduler's [control.Planner].
type Planner struct{ usage usage }

// New returns a scheduler that has seen nothing yet.
func New() *Planner { return &Planner{usage: newUsage()} }

// Kinds of keys.
const (
	kindNode    = 1 + iota // A is a node
	kindTask               // A is a task
	kindService            // A is a service that others may depend on
	kindMoved              // A is a task of one
	kindNames              // there is a service more, or less
	kindGroup              // tasks that wait: A is their revision, B the node of a global service's task
	kindWoken              // groups that were woken
	kindMore               // groups whose turn has not come yet
	kindAll                // everything there is
	kindVolumes            // a cluster volume has changed
)

// Name implements [control.Planner].
func (*Planner) Name() string { return "scheduler" }

// Writer implements [control.Planner].
func (*Planner) Writer() store.Writer { return store.WriterScheduler }

// Inputs implements [control.Planner]. Changes that cannot matter are left out: most rows change for reasons that
// are none of the scheduler's.
func (*Planner) Inputs() []control.Input {
	return append(append(dependencyInputs(), volumeInputs()...),
		control.On(store.NodeSpecs, func(old, cur *model.NodeSpec) []control.Key { return keyOf(kindNode, old, cur) }),
		control.On(store.NodeIdentities, func(old, cur *model.NodeIdentity) []control.Key {
			if old != nil && cur != nil && old.Role == cur.Role {
				return nil
			}
			return keyOf(kindNode, old, cur)
		}),
		control.On(store.NodeStates, func(old, cur *model.NodeState) []control.Key {
			if old != nil && cur != nil && old.State == cur.State && old.Addr == cur.Addr &&
				carriageOf(*old.Encryption.Get()) == carriageOf(*cur.Encryption.Get()) && bytes.Equal(old.Description.Raw(), cur.Description.Raw()) {
				return nil
			}
			return keyOf(kindNode, old, cur)
		}),
		control.On(store.Tasks, func(old, cur *model.Task) []control.Key {
			if old != nil && cur != nil && old.Desired == cur.Desired {
				return nil
			}
			return keyOf(kindTask, old, cur)
		}),
		control.On(store.Allocations, func(_, cur *model.Allocation) []control.Key {
			if cur == nil || cur.Kind != model.AllocTask || !cur.Done {
				return nil
			}
			return keyOf(kindTask, nil, cur)
		}),
		control.On(store.Statuses, func(old, cur *model.TaskStatus) []control.Key {
			if cur == nil || !cur.State.Terminal() || old != nil && old.State.Terminal() {
				return nil
			}
			return keyOf(kindTask, old, cur)
		}),
	)
}

func keyOf[R any, P interface {
	*R
	Key() model.Key
}](kind uint8, old, cur P) []control.Key {
	if cur == nil {
		cur = old
	}
	return []control.Key{{Kind: kind, Key: cur.Key()}}
}

// All implements [control.Planner]: one key that stands for all there is, which may be a million tasks.
func (p *Planner) All(store.View) []control.Key { return []control.Key{{Kind: kindAll}} }

// Plan implements [control.Planner]. What it decides is counted at once: its writes have no conditions, so none is
// refused as long as this leader leads, and another one starts over.
func (p *Planner) Plan(v store.View, keys []control.Key, now time.Time) (control.Result, error) {
	r := &round{usage: &p.usage, v: v, now: now, left: roundLimit}
	for _, kind := range []uint8{kindAll, kindNode, kindTask, kindService, kindMoved, kindNames, kindVolumes} {
		for _, k := range keys {
			if k.Kind == kind {
				r.takeIn(k)
			}
		}
	}
	r.wokenUp(keys)
	r.wake()
	r.placeAll()
	inOrder(r.res.Changes)
	return r.res, nil
}

// inOrder has many changes come in the order of their rows, which lets the store find them faster.
func inOrder(changes []store.Change) {
	if len(changes) >= groupLimit {
		slices.SortFunc(changes, func(a, b store.Change) int { return a.Key.Compare(b.Key) })
	}
}
