package allocator

import (
	"time"

	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// Planner is the allocator's [control.Planner]. It has no state.
type Planner struct{}

// New returns the allocator.
func New() Planner { return Planner{} }

// Kinds of keys: an owner has the kind of its allocation; a node's state stands for the tasks on it, the pool for every
// network that waits, the usage for the share of a network's addresses in use, a service's tasks for what it needs while
// they are of several revisions.
const (
	kindPool = 100 + iota
	kindReach
	kindUsage
	kindTasks
)

// Name implements [control.Planner].
func (Planner) Name() string { return "allocator" }

// Writer implements [control.Planner].
func (Planner) Writer() store.Writer { return store.WriterAllocator }

func owner(kind model.AllocKind, id model.ID) control.Key {
	return control.Key{Kind: uint8(kind), Key: model.KeyOf(id)}
}

func one(kind model.AllocKind, id model.ID) []control.Key { return []control.Key{owner(kind, id)} }

// Inputs implements [control.Planner].
func (Planner) Inputs() []control.Input {
	return []control.Input{
		control.On(store.Networks, func(old, cur *model.Network) []control.Key {
			return one(model.AllocNetwork, either(old, cur).ID)
		}),
		control.On(store.Services, func(old, cur *model.Service) []control.Key {
			return one(model.AllocService, either(old, cur).ID)
		}),
		control.On(store.Rollouts, func(old, cur *model.Rollout) []control.Key {
			if old != nil && cur != nil && old.Active == cur.Active && old.Asked == cur.Asked &&
				old.AskedIndex == cur.AskedIndex && old.State == cur.State {
				return nil
			}
			return one(model.AllocService, either(old, cur).ServiceID)
		}),
		control.On(store.Tasks, func(old, cur *model.Task) []control.Key {
			if old != nil && cur != nil && old.Desired == cur.Desired && old.Revision == cur.Revision {
				return nil
			}
			t := either(old, cur)
			return []control.Key{owner(model.AllocTask, t.ID), {Kind: kindTasks, Key: model.KeyOf(t.ServiceID)}}
		}),
		control.On(store.Statuses, func(_, cur *model.TaskStatus) []control.Key {
			if cur == nil || !cur.State.Terminal() {
				return nil
			}
			return one(model.AllocTask, cur.TaskID)
		}),
		control.On(store.NodeSpecs, func(old, cur *model.NodeSpec) []control.Key {
			if old != nil && cur != nil {
				return nil
			}
			return one(model.AllocNode, either(old, cur).ID)
		}),
		control.On(store.NodeStates, func(old, cur *model.NodeState) []control.Key {
			if cur != nil && (old == nil || old.State == cur.State) {
				return nil
			}
			return []control.Key{{Kind: kindReach, Key: old.Key()}}
		}),
		control.On(store.Attachments, func(old, cur *model.Attachment) []control.Key {
			return one(model.AllocAttachment, either(old, cur).ID)
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
		keys = append(keys, owner(model.AllocNetwork, n.ID), control.Key{Kind: kindUsage, Key: n.Key()})
	}
	for s := range store.Services.All(v) {
		keys = append(keys, owner(model.AllocService, s.ID))
	}
	for n := range store.NodeSpecs.All(v) {
		keys = append(keys, owner(model.AllocNode, n.ID))
	}
	for g := range store.Attachments.All(v) {
		keys = append(keys, owner(model.AllocAttachment, g.ID))
	}
	for t := range store.Tasks.All(v) {
		keys = append(keys, owner(model.AllocTask, t.ID))
	}
	for n := range store.NodeStates.All(v) {
		keys = append(keys, control.Key{Kind: kindReach, Key: n.Key()})
	}
	for a := range store.Allocations.All(v) {
		keys = append(keys, owner(a.Kind, a.Owner))
	}
	for c := range store.Cursors.All(v) {
		keys = append(keys, owner(model.AllocNetwork, c.NetworkID))
	}
	return keys
}

// Plan implements [control.Planner]: networks first, then services, then what builds on both. What was given up on the
// way serves those that wait.
func (Planner) Plan(v store.View, keys []control.Key, now time.Time) (control.Result, error) {
	p := newPlan(v, now)
	byKind := map[uint8][]model.ID{}
	for _, k := range keys {
		byKind[k.Kind] = append(byKind[k.Kind], k.A)
	}
	of := func(kind model.AllocKind) []model.ID { return append(byKind[uint8(kind)], p.also[kind]...) }
	tasks := p.left(of(model.AllocTask))
	for _, id := range byKind[kindReach] {
		p.left(p.lostWith(id))
	}
	if networks := of(model.AllocNetwork); len(networks) > 0 || len(byKind[kindPool]) > 0 {
		p.networks(networks)
	}
	services := append(of(model.AllocService), p.rolling(byKind[kindTasks])...)
	p.services(services)
	p.stirred = p.stirred || len(services) > 0 // what a waiting task needs follows from its service
	for _, id := range of(model.AllocNode) {
		p.node(id)
	}
	for _, id := range of(model.AllocAttachment) {
		p.guest(id)
	}
	for _, id := range tasks {
		p.task(id)
	}
	p.waiting()
	for _, id := range byKind[kindUsage] {
		p.usage(id)
	}
	p.keepCursors()
	return p.res, nil
}
