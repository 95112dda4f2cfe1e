package volumes

import (
	"time"

	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// Planner is the [control.Planner] of VolumeState.
type Planner struct{}

// New returns the planner. It keeps nothing from one Plan to the next.
func New() Planner { return Planner{} }

// Kinds of keys.
const (
	kindVolume = 1 + iota
	kindTask
	kindNode
)

// Name implements [control.Planner].
func (Planner) Name() string { return "volumes" }

// Writer implements [control.Planner].
func (Planner) Writer() store.Writer { return store.WriterVolumes }

func keyOf(kind uint8, id model.ID) control.Key {
	return control.Key{Kind: kind, Key: model.KeyOf(id)}
}

// Inputs implements [control.Planner]. Most rows are of tasks without cluster volumes: a look at their placement tells.
func (Planner) Inputs() []control.Input {
	return []control.Input{
		control.On(store.Volumes, func(old, cur *model.Volume) []control.Key {
			if cur == nil {
				cur = old
			}
			return []control.Key{keyOf(kindVolume, cur.ID)}
		}),
		control.On(store.VolumeStates, func(old, cur *model.VolumeState) []control.Key {
			if cur == nil {
				cur = old
			}
			return []control.Key{keyOf(kindVolume, cur.VolumeID)}
		}),
		control.On(store.NodeVolumes, func(old, cur *model.NodeVolumes) (keys []control.Key) {
			for _, row := range []*model.NodeVolumes{old, cur} {
				for i := 0; row != nil && i < len(row.List); i++ {
					keys = append(keys, keyOf(kindVolume, row.List[i].VolumeID))
				}
			}
			return keys
		}),
		control.On(store.Placements, func(old, cur *model.Placement) (keys []control.Key) {
			for _, row := range []*model.Placement{old, cur} {
				for i := 0; row != nil && i < len(row.Chosen()); i++ {
					keys = append(keys, keyOf(kindVolume, row.Chosen()[i].VolumeID))
				}
			}
			return keys
		}),
		control.On(store.Tasks, func(old, cur *model.Task) []control.Key {
			if cur == nil || old != nil && old.Desired == cur.Desired {
				return nil // a task that goes takes its placement with it
			}
			return []control.Key{keyOf(kindTask, cur.ID)}
		}),
		control.On(store.Statuses, func(old, cur *model.TaskStatus) []control.Key {
			if cur == nil || !cur.State.Terminal() || old != nil && old.State.Terminal() {
				return nil
			}
			return []control.Key{keyOf(kindTask, cur.TaskID)}
		}),
		control.On(store.NodeStates, func(old, cur *model.NodeState) []control.Key {
			if old != nil && cur != nil && old.State == cur.State && len(old.Description.Get().CSIInfo) == len(cur.Description.Get().CSIInfo) {
				return nil
			}
			if cur == nil {
				cur = old
			}
			return []control.Key{keyOf(kindNode, cur.ID)}
		}),
		control.On(store.NodeSpecs, func(old, cur *model.NodeSpec) []control.Key {
			if cur != nil {
				return nil
			}
			return []control.Key{keyOf(kindNode, old.ID)}
		}),
	}
}

// All implements [control.Planner].
func (Planner) All(v store.View) (keys []control.Key) {
	for r := range store.Volumes.All(v) {
		keys = append(keys, keyOf(kindVolume, r.ID))
	}
	for r := range store.VolumeStates.All(v) {
		if store.Volumes.ByID(v, r.VolumeID) == nil {
			keys = append(keys, keyOf(kindVolume, r.VolumeID))
		}
	}
	return keys
}

// Plan implements [control.Planner].
func (Planner) Plan(v store.View, keys []control.Key, _ time.Time) (control.Result, error) {
	var res control.Result
	done := map[model.ID]bool{}
	one := func(id model.ID) {
		if !done[id] {
			done[id] = true
			plan(v, id, &res)
		}
	}
	for _, k := range keys {
		switch k.Kind {
		case kindVolume:
			one(k.A)
		case kindTask:
			if p := store.Placements.ByID(v, k.A); p != nil {
				for _, c := range p.Chosen() {
					one(c.VolumeID)
				}
			}
		case kindNode:
			for s := range store.VolumeStates.All(v) {
				one(s.VolumeID)
			}
		}
	}
	return res, nil
}

// plan brings one volume's row up to date. A batch is refused when an outcome of a driver's call was written meanwhile; then
// the volume is planned again.
func plan(v store.View, id model.ID, res *control.Result) {
	vol, old := store.Volumes.ByID(v, id), store.VolumeStates.ByID(v, id)
	switch {
	case vol == nil && old == nil:
		return
	case vol == nil: // removed for good, or by force: the driver is not asked
		res.Changes = append(res.Changes, store.VolumeStates.Delete(old.Key()))
		return
	}
	next := &model.VolumeState{VolumeID: id}
	at := store.VolumeStates.Absent(next.Key())
	if old != nil {
		at = store.VolumeStates.At(old)
		next = copyOf(old)
	}
	step(v, vol, next)
	if old != nil && same(old, next) {
		return
	}
	res.Changes = append(res.Changes, store.VolumeStates.Put(next))
	res.Conditions = append(res.Conditions, at)
}
