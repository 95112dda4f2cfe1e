package scheduler

import (
	"slices"

	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// localVolumes are the named volumes of a task that only the node has on which they were made. Their names are as in the
// spec, that is with templates; a slot's are the same from task to task.
func localVolumes(task *swarm.TaskSpec) []string {
	if task.ContainerSpec == nil {
		return nil
	}
	var out []string
	for _, m := range task.ContainerSpec.Mounts {
		local := m.VolumeOptions == nil || m.VolumeOptions.DriverConfig == nil ||
			m.VolumeOptions.DriverConfig.Name == "" || untagged(m.VolumeOptions.DriverConfig.Name) == "local"
		if m.Type == mount.TypeVolume && m.Source != "" && local {
			out = append(out, m.Source)
		}
	}
	return out
}

// placeHome puts tasks back on the nodes where the volumes of their slots are, if those can take them, and returns the
// others. A node on which the service keeps failing is no home.
func (r *round) placeHome(g *group, tasks []inLine) []inLine {
	if len(g.demand.volumes) == 0 {
		return tasks
	}
	var rest []inLine
	for _, t := range tasks {
		n := r.usage.nodes[r.home(g.demand, t.id)]
		if n == nil || !n.present || n.refuses(g.demand) != fits || r.usage.recentFailures(failureKey{g.key.revision, n.id}, r.now) > 0 {
			rest = append(rest, t)
			continue
		}
		r.take(g, t.id, n)
	}
	return rest
}

// home is the node where the newest of a slot's earlier tasks that had one of the volumes had a container; zero: none.
func (r *round) home(d *demand, id model.ID) model.ID {
	t := store.Tasks.ByID(r.v, id)
	if t == nil {
		return model.ID{}
	}
	var node model.ID
	newest := int64(-1)
	for other := range store.TasksOfSlot(r.v, t.ServiceID, t.Slot, t.NodeID) {
		p, s := store.Placements.ByID(r.v, other.ID), store.Statuses.ByID(r.v, other.ID)
		switch {
		case other.ID == id || other.Created <= newest || p == nil || p.NodeID.IsZero():
		case s == nil || s.State < model.StateReady || s.State == model.StateRejected:
		case !r.shares(d, other.Revision):
		default:
			newest, node = other.Created, p.NodeID
		}
	}
	return node
}

// shares reports whether a revision's tasks have one of the volumes.
func (r *round) shares(d *demand, revision model.ID) bool {
	if revision == d.revision {
		return true
	}
	rev := store.Revisions.ByID(r.v, revision)
	return rev != nil && slices.ContainsFunc(localVolumes(&rev.Spec.Get().TaskTemplate), func(name string) bool {
		return slices.Contains(d.volumes, name)
	})
}
