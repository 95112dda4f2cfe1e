package volumes

import (
	"time"

	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// Reaper is a [control.Planner] that deletes the Volume rows of what drivers have deleted.
type Reaper struct{}

// NewReaper returns the planner.
func NewReaper() Reaper { return Reaper{} }

// Name implements [control.Planner].
func (Reaper) Name() string { return "volume reaper" }

// Writer implements [control.Planner].
func (Reaper) Writer() store.Writer { return store.WriterAPI }

// Inputs implements [control.Planner].
func (Reaper) Inputs() []control.Input {
	return []control.Input{control.On(store.VolumeStates, func(_, cur *model.VolumeState) []control.Key {
		if cur == nil || !cur.Deleted {
			return nil
		}
		return []control.Key{keyOf(kindVolume, cur.VolumeID)}
	})}
}

// All implements [control.Planner].
func (Reaper) All(v store.View) (keys []control.Key) {
	for s := range store.VolumeStates.All(v) {
		if s.Deleted {
			keys = append(keys, keyOf(kindVolume, s.VolumeID))
		}
	}
	return keys
}

// Plan implements [control.Planner].
func (Reaper) Plan(v store.View, keys []control.Key, _ time.Time) (control.Result, error) {
	var res control.Result
	for _, k := range keys {
		if s := store.VolumeStates.ByID(v, k.A); s != nil && s.Deleted && store.Volumes.ByID(v, k.A) != nil {
			res.Changes = append(res.Changes, store.Volumes.Delete(k.Key))
		}
	}
	return res, nil
}
