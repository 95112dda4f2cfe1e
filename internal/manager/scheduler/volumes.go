package scheduler

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/api/types/volume"
	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// Tasks with cluster volumes are few, and each volume says for itself where it can be had: for such a task all nodes that can
// take it are asked, one by one. Whether a volume has left its last node is not asked: the task waits there for it.

// clusterMount is a mount of a cluster volume.
type clusterMount struct {
	source, target string
	readOnly       bool
}

func clusterMounts(task *swarm.TaskSpec) (out []clusterMount) {
	for i := 0; task.ContainerSpec != nil && i < len(task.ContainerSpec.Mounts); i++ {
		if m := task.ContainerSpec.Mounts[i]; m.Type == mount.TypeCluster {
			out = append(out, clusterMount{m.Source, m.Target, m.ReadOnly})
		}
	}
	return out
}

// volumeInputs are the changes by which a volume may have come to be there for tasks that wait.
func volumeInputs() []control.Input {
	return []control.Input{
		control.On(store.Volumes, func(_, _ *model.Volume) []control.Key { return []control.Key{{Kind: kindVolumes}} }),
		control.On(store.VolumeStates, func(old, cur *model.VolumeState) []control.Key {
			if old != nil && cur != nil && old.Handle == cur.Handle && old.Err == cur.Err && len(old.Nodes) <= len(cur.Nodes) {
				return nil
			}
			return []control.Key{{Kind: kindVolumes}}
		}),
	}
}

// holding is one task's use of a volume.
type holding struct {
	node     *node
	readOnly bool
	active   bool // not being stopped
}

// holdings are who uses which volume, by volume and task.
type holdings struct {
	byVolume map[model.ID]map[model.ID]holding
	byTask   map[model.ID][]model.PlacedVolume
}

func (h *holdings) hold(task model.ID, c counted, chosen []model.PlacedVolume) {
	if len(chosen) == 0 {
		return
	}
	if h.byVolume == nil {
		h.byVolume, h.byTask = map[model.ID]map[model.ID]holding{}, map[model.ID][]model.PlacedVolume{}
	}
	h.byTask[task] = chosen
	for _, p := range chosen {
		if h.byVolume[p.VolumeID] == nil {
			h.byVolume[p.VolumeID] = map[model.ID]holding{}
		}
		old, twice := h.byVolume[p.VolumeID][task]
		h.byVolume[p.VolumeID][task] = holding{c.node, p.ReadOnly && (!twice || old.readOnly), c.active}
	}
}

func (h *holdings) letGo(task model.ID) {
	for _, p := range h.byTask[task] {
		if delete(h.byVolume[p.VolumeID], task); len(h.byVolume[p.VolumeID]) == 0 {
			delete(h.byVolume, p.VolumeID)
		}
	}
	delete(h.byTask, task)
}

// placeWithVolumes is placeTurn for tasks that have cluster volumes.
func (r *round) placeWithVolumes(g *group, turn []inLine) bool {
	for _, t := range turn {
		n, chosen := r.bestWithVolumes(g)
		if n == nil {
			return false
		}
		r.takeWith(g, t.id, n, &model.PlacedVolumes{List: chosen})
	}
	return true
}

// bestWithVolumes is the node where a group's next task is best: where its volumes are already, then where the service does not
// keep failing, then where it and others have fewest tasks.
func (r *round) bestWithVolumes(g *group) (best *node, chosen []model.PlacedVolume) {
	var order []int
	for _, id := range slices.SortedFunc(maps.Keys(r.usage.nodes), model.ID.Compare) {
		n := r.usage.nodes[id]
		if !n.present || !g.key.node.IsZero() && g.key.node != id || n.refuses(g.demand) != fits {
			continue
		}
		picked, reason := r.choose(g.demand, n)
		if reason != "" {
			continue
		}
		away := 0
		for _, p := range picked {
			if s := store.VolumeStates.ByID(r.v, p.VolumeID); s == nil || s.On(n.id) == nil {
				away++
			}
		}
		rank := []int{r.usage.recentFailures(failureKey{g.key.revision, n.id}, r.now), away, g.demand.present.on(n), n.active}
		if best == nil || slices.Compare(rank, order) < 0 {
			best, chosen, order = n, picked, rank
		}
	}
	return best, chosen
}

// choose finds the volumes that a task of a demand would have on a node, or says why there are none.
func (r *round) choose(d *demand, n *node) (chosen []model.PlacedVolume, reason string) {
	for _, m := range d.mounts {
		vol, reason := r.volumeFor(m, n, chosen)
		if vol == nil {
			return nil, reason
		}
		chosen = append(chosen, model.PlacedVolume{VolumeID: vol.ID, Source: m.source, Target: m.target, ReadOnly: m.readOnly})
	}
	return chosen, ""
}

// volumeFor is the volume that a mount would have on a node: of a group the one that is used least.
func (r *round) volumeFor(m clusterMount, n *node, chosen []model.PlacedVolume) (best *model.Volume, reason string) {
	name, grouped := strings.CutPrefix(m.source, "group:")
	if !grouped {
		vol := store.VolumeNamed(r.v, name)
		if vol == nil || vol.Name != name {
			return nil, fmt.Sprintf("there is no cluster volume %s", name)
		}
		if reason = r.refusesVolume(vol, m, n); reason != "" {
			return nil, reason
		}
		return vol, ""
	}
	for vol := range store.Volumes.All(r.v) {
		if vol.Cluster().Group != name || slices.ContainsFunc(chosen, func(p model.PlacedVolume) bool { return p.VolumeID == vol.ID }) {
			continue
		}
		if why := r.refusesVolume(vol, m, n); why != "" {
			reason = cmp.Or(reason, why)
			continue
		}
		if best == nil || len(r.usage.held.byVolume[vol.ID]) < len(r.usage.held.byVolume[best.ID]) {
			best = vol
		}
	}
	if best != nil {
		return best, ""
	}
	return nil, cmp.Or(reason, fmt.Sprintf("there is no cluster volume of group %s", name))
}

// refusesVolume says why a mount may not have a volume on a node; empty: it may.
func (r *round) refusesVolume(vol *model.Volume, m clusterMount, n *node) string {
	s := store.VolumeStates.ByID(r.v, vol.ID)
	switch vol.Cluster().Availability {
	case volume.AvailabilityPause:
		return fmt.Sprintf("volume %s is paused", vol.Name)
	case volume.AvailabilityDrain:
		return fmt.Sprintf("volume %s is drained", vol.Name)
	}
	switch {
	case vol.Removing:
		return fmt.Sprintf("volume %s is being removed", vol.Name)
	case (s == nil || s.Handle == "") && s != nil && s.Err != "":
		return fmt.Sprintf("volume %s has not been created yet: %s", vol.Name, s.Err)
	case s == nil || s.Handle == "":
		return fmt.Sprintf("volume %s has not been created yet", vol.Name)
	}
	info := vol.CSIInfo(n.csi)
	switch {
	case info == nil:
		return fmt.Sprintf("volume %s needs CSI driver %s there", vol.Name, vol.Driver())
	case !within(info.AccessibleTopology, s.Topology):
		return fmt.Sprintf("volume %s cannot be reached from there", vol.Name)
	case info.MaxVolumesPerNode > 0 && s.On(n.id) == nil && r.volumesOn(n, vol.Driver()) >= info.MaxVolumesPerNode:
		return fmt.Sprintf("driver %s takes no more volumes there", vol.Driver())
	}
	return r.conflicts(vol, m, n)
}

// conflicts holds a use against those that there are. Those of tasks that are being stopped do not count: who comes after them
// waits until they have ended.
func (r *round) conflicts(vol *model.Volume, m clusterMount, n *node) string {
	access := vol.Access()
	if access.Sharing == volume.SharingReadOnly && !m.readOnly {
		return fmt.Sprintf("volume %s can be mounted readonly only", vol.Name)
	}
	for _, h := range r.usage.held.byVolume[vol.ID] {
		switch {
		case !h.active:
		case vol.Single() && h.node != n:
			return fmt.Sprintf("volume %s is in use on another node", vol.Name)
		case access.Sharing == volume.SharingNone || access.Sharing == "":
			return fmt.Sprintf("volume %s is in use by another task", vol.Name)
		case access.Sharing == volume.SharingOneWriter && !m.readOnly && !h.readOnly:
			return fmt.Sprintf("volume %s has its writer already", vol.Name)
		}
	}
	return ""
}

// volumesOn counts the volumes of a driver that are on a node, or are to be.
func (r *round) volumesOn(n *node, driver string) (count int64) {
	for s := range store.VolumeStates.All(r.v) {
		if vol := store.Volumes.ByID(r.v, s.VolumeID); vol != nil && vol.Driver() == driver && (s.On(n.id) != nil || r.usage.held.on(s.VolumeID, n)) {
			count++
		}
	}
	return count
}

func (h *holdings) on(volume model.ID, n *node) bool {
	for _, one := range h.byVolume[volume] {
		if one.node == n {
			return true
		}
	}
	return false
}

// within reports whether a node is in one of the places from which a volume can be reached.
func within(node *swarm.Topology, places []volume.Topology) bool {
	for _, p := range places {
		all := true
		for key, value := range p.Segments {
			all = all && node != nil && node.Segments[key] == value
		}
		if all {
			return true
		}
	}
	return len(places) == 0
}

// aboutVolumes counts the nodes that could take a group's task but for its volumes, and says why.
func (r *round) aboutVolumes(g *group) string {
	if len(g.demand.mounts) == 0 {
		return ""
	}
	reasons := map[string]int{}
	for _, n := range r.usage.nodes {
		if !n.present || !g.key.node.IsZero() && g.key.node != n.id || n.refuses(g.demand) != fits {
			continue
		}
		if _, reason := r.choose(g.demand, n); reason != "" {
			g.refused[filterVolumes]++
			reasons[reason]++
		}
	}
	sorted := slices.SortedFunc(maps.Keys(reasons), func(a, b string) int { return cmp.Or(cmp.Compare(reasons[b], reasons[a]), cmp.Compare(a, b)) })
	if len(sorted) == 0 {
		return ""
	}
	return ": " + strings.Join(sorted, ", ")
}
