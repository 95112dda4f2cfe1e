package allocator

import (
	"cmp"
	"slices"
	"time"

	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// Planner is the allocator's [control.Planner]. It has no state.
type Planner struct{}

// New returns the allocator.
func New() Planner { return Planner{} }

// Kinds of keys: an owner has the kind of its allocation; a node stands for the tasks on it, the pool for every
// network that waits.
const (
	kindPool = 100 + iota
	kindNode
)

// Name implements [control.Planner].
func (Planner) Name() string { return "allocator" }

// Writer implements [control.Planner].
func (Planner) Writer() store.Writer { return store.WriterAllocator }

func owner(kind model.AllocKind, id model.ID) control.Key {
	return control.Key{Kind: uint8(kind), Key: model.KeyOf(id)}
}

// Inputs implements [control.Planner].
func (Planner) Inputs() []control.Input {
	return []control.Input{
		control.On(store.Networks, func(old, cur *model.Network) []control.Key {
			return []control.Key{owner(model.AllocNetwork, either(old, cur).ID)}
		}),
		control.On(store.Services, func(old, cur *model.Service) []control.Key {
			return []control.Key{owner(model.AllocService, either(old, cur).ID)}
		}),
		control.On(store.Rollouts, func(old, cur *model.Rollout) []control.Key {
			if old != nil && cur != nil && old.Active == cur.Active {
				return nil
			}
			return []control.Key{owner(model.AllocService, either(old, cur).ServiceID)}
		}),
		control.On(store.Tasks, func(old, cur *model.Task) []control.Key {
			if old != nil && cur != nil && old.Desired == cur.Desired && old.Revision == cur.Revision {
				return nil
			}
			return []control.Key{owner(model.AllocTask, either(old, cur).ID)}
		}),
		control.On(store.Statuses, func(_, cur *model.TaskStatus) []control.Key {
			if cur == nil || !cur.State.Terminal() {
				return nil
			}
			return []control.Key{owner(model.AllocTask, cur.TaskID)}
		}),
		control.On(store.NodeStates, func(old, cur *model.NodeState) []control.Key {
			if cur != nil && (old == nil || old.State == cur.State) {
				return nil
			}
			return []control.Key{{Kind: kindNode, Key: old.Key()}}
		}),
		control.On(store.Clusters, func(_, _ *model.Cluster) []control.Key { return []control.Key{{Kind: kindPool}} }),
	}
}

func either[R any](old, cur *R) *R {
	if cur != nil {
		return cur
	}
	return old
}

// All implements [control.Planner]. Owners that are gone are found by the rows they left.
func (Planner) All(v store.View) []control.Key {
	var keys []control.Key
	for n := range store.Networks.All(v) {
		keys = append(keys, owner(model.AllocNetwork, n.ID))
	}
	for s := range store.Services.All(v) {
		keys = append(keys, owner(model.AllocService, s.ID))
	}
	for t := range store.Tasks.All(v) {
		keys = append(keys, owner(model.AllocTask, t.ID))
	}
	for n := range store.NodeStates.All(v) {
		keys = append(keys, control.Key{Kind: kindNode, Key: n.Key()})
	}
	for a := range store.Allocations.All(v) {
		keys = append(keys, owner(a.Kind, a.Owner))
	}
	return keys
}

// plan is one call of Plan: the view, and what was decided over it so far.
type plan struct {
	v       store.View
	now     time.Time
	res     control.Result
	decided map[model.ID]*model.Allocation // nil: the row is to go
}

// Plan implements [control.Planner]: networks first, then services, then the tasks that build on both.
func (Planner) Plan(v store.View, keys []control.Key, now time.Time) (control.Result, error) {
	p := &plan{v: v, now: now, decided: map[model.ID]*model.Allocation{}}
	byKind := map[uint8][]model.ID{}
	for _, k := range keys {
		byKind[k.Kind] = append(byKind[k.Kind], k.A)
	}
	tasks := slices.Clone(byKind[uint8(model.AllocTask)])
	if networks := byKind[uint8(model.AllocNetwork)]; len(networks) > 0 || len(byKind[kindPool]) > 0 {
		tasks = append(tasks, p.networks(networks)...)
	}
	for _, id := range byKind[uint8(model.AllocService)] {
		p.service(id)
	}
	for _, id := range byKind[kindNode] {
		tasks = append(tasks, p.node(id)...)
	}
	for _, id := range tasks {
		p.task(id)
	}
	return p.res, nil
}

// get is the owner's allocation with what this plan decided.
func (p *plan) get(owner model.ID) *model.Allocation {
	if a, ok := p.decided[owner]; ok {
		return a
	}
	return store.Allocations.ByID(p.v, owner)
}

// set writes a row unless it says what is there already.
func (p *plan) set(a *model.Allocation) {
	if same(p.get(a.Owner), a) {
		return
	}
	p.decided[a.Owner] = a
	p.res.Changes = append(p.res.Changes, store.Allocations.Put(a))
}

// drop removes the owner's row, if it has one.
func (p *plan) drop(owner model.ID) {
	if p.get(owner) == nil {
		return
	}
	p.decided[owner] = nil
	p.res.Changes = append(p.res.Changes, store.Allocations.Delete(model.KeyOf(owner)))
}

func same(a, b *model.Allocation) bool {
	return a != nil && a.Kind == b.Kind && a.Done == b.Done && a.Err == b.Err && a.VNI == b.VNI &&
		slices.Equal(a.Networks, b.Networks) && slices.Equal(a.Ports, b.Ports)
}

// older orders networks by age, so that the one that waits longest is served first.
func older(a, b *model.Network) int {
	return cmp.Or(cmp.Compare(a.Created, b.Created), a.ID.Compare(b.ID))
}
