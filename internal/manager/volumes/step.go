package volumes

import (
	"maps"
	"slices"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// step moves the stays of a volume as far as they can be moved without its driver.
func step(v store.View, vol *model.Volume, s *model.VolumeState) {
	wanted := map[model.ID]bool{}
	if s.Handle != "" && !vol.Removing {
		wanted = wantedOn(v, vol.ID)
	}
	kept := s.Nodes[:0]
	for _, n := range s.Nodes {
		if leaveOn(v, vol.ID, s, &n, wanted[n.NodeID]); n.Phase != 0 {
			kept = append(kept, n)
		}
	}
	s.Nodes = kept
	for _, node := range slices.SortedFunc(maps.Keys(wanted), model.ID.Compare) {
		if s.On(node) != nil || vol.Single() && len(s.Nodes) > 0 {
			continue
		}
		st := store.NodeStates.ByID(v, node)
		if st == nil {
			continue
		}
		driver := vol.CSIInfo(st.Description.Get().CSIInfo)
		if driver == nil {
			continue // the node's driver has not been heard of yet
		}
		s.Round++
		n := model.VolumeNode{NodeID: node, Phase: model.VolumePending, Round: s.Round, Handle: driver.NodeID}
		if !s.Attaches {
			n.Phase = model.VolumePublished
		}
		s.Nodes = append(s.Nodes, n)
	}
	slices.SortFunc(s.Nodes, func(a, b model.VolumeNode) int { return a.NodeID.Compare(b.NodeID) })
}

// wantedOn are the nodes with tasks that have the volume, or may have it still. Of a node that is down only those tasks count
// that are to run there: what is over there nobody will say.
func wantedOn(v store.View, id model.ID) map[model.ID]bool {
	nodes := map[model.ID]bool{}
	for p := range store.PlacedWith(v, id) {
		t := store.Tasks.ByID(v, p.TaskID)
		if t == nil || p.NodeID.IsZero() || nodes[p.NodeID] {
			continue
		}
		if st := store.Statuses.ByID(v, t.ID); st != nil && st.State.Terminal() {
			continue
		}
		if t.Desired >= model.StateShutdown && lost(v, p.NodeID) {
			continue
		}
		nodes[p.NodeID] = true
	}
	return nodes
}

// lost reports whether a node is down or removed.
func lost(v store.View, node model.ID) bool {
	st := store.NodeStates.ByID(v, node)
	return store.NodeSpecs.ByID(v, node) == nil || st == nil || st.State == model.ReachDown
}

// leaveOn moves a stay that is not wanted any more. Phase 0 stands for its end.
func leaveOn(v store.View, id model.ID, s *model.VolumeState, n *model.VolumeNode, wanted bool) {
	if n.Phase == model.VolumePending && !wanted {
		n.Phase, n.Err = model.VolumeControllerRelease, "" // the call may have been made: the node was not told
	}
	if n.Phase == model.VolumePublished && !wanted {
		n.Phase, n.Err = model.VolumeNodeUnpublish, ""
	}
	if n.Phase == model.VolumeNodeUnpublish && (released(v, id, n) || cutOff(v, s, n)) {
		n.Phase = model.VolumeControllerRelease
	}
	if n.Phase == model.VolumeControllerRelease && !s.Attaches {
		n.Phase = 0
	}
}

// released reports whether the node has said that nothing of this stay is left.
func released(v store.View, id model.ID, n *model.VolumeNode) bool {
	row := store.NodeVolumes.ByID(v, n.NodeID)
	return row != nil && slices.ContainsFunc(row.List, func(r model.NodeVolume) bool {
		return r.VolumeID == id && r.Round == n.Round && r.Released
	})
}

// cutOff reports whether the node need not be asked: it was removed, or it is down and the driver's controller will see to it
// that it reaches the volume no more.
func cutOff(v store.View, s *model.VolumeState, n *model.VolumeNode) bool {
	return store.NodeSpecs.ByID(v, n.NodeID) == nil || s.Attaches && lost(v, n.NodeID)
}

// copyOf is a row that may be changed.
func copyOf(s *model.VolumeState) *model.VolumeState {
	next := *s
	next.Nodes = slices.Clone(s.Nodes)
	return &next
}

// same compares what [step] and [Apply] change.
func same(a, b *model.VolumeState) bool {
	return a.Handle == b.Handle && a.Round == b.Round && a.Err == b.Err && a.Deleted == b.Deleted && a.Attaches == b.Attaches &&
		slices.EqualFunc(a.Nodes, b.Nodes, func(x, y model.VolumeNode) bool {
			return x.NodeID == y.NodeID && x.Phase == y.Phase && x.Round == y.Round && x.Handle == y.Handle && x.Err == y.Err && maps.Equal(x.Context, y.Context)
		})
}
