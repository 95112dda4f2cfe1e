package orchestrator

import (
	"github.com/moby/moby/api/types/volume"
	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// volumeKeys leaves out what does not move tasks: of a cluster volume that is its being drained.
func volumeKeys(old, cur *model.Volume) []control.Key {
	if cur == nil || !drained(cur) || old != nil && drained(old) {
		return nil
	}
	return []control.Key{{Kind: kindVolume, Key: cur.Key()}}
}

func drained(v *model.Volume) bool { return v.Cluster().Availability == volume.AvailabilityDrain }

// drainedVolume reports whether a task has a cluster volume that is being drained: another one takes its place, and waits.
func (p *plan) drainedVolume(r *run) bool {
	if r.old == nil || !r.placed {
		return false
	}
	pl := store.Placements.ByID(p.v, r.task.ID)
	for i := 0; pl != nil && i < len(pl.Chosen()); i++ {
		if v := store.Volumes.ByID(p.v, pl.Chosen()[i].VolumeID); v != nil && drained(v) {
			return true
		}
	}
	return false
}
