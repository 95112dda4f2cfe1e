package model

import (
	"slices"
	"strings"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/api/types/volume"
)

// Volume is a cluster volume as it was asked for. Writer: api; manager/volumes deletes what has been removed for good.
type Volume struct {
	Meta
	ID       ID
	Name     string
	Spec     Doc[volume.CreateRequest] // with the availability asked for last; secrets by their ids
	Removing bool                      // its driver is to delete it; then the row goes
}

// Cluster is what the cluster is asked of the volume; never nil.
func (r *Volume) Cluster() *volume.ClusterVolumeSpec {
	if s := r.Spec.Get().ClusterVolumeSpec; s != nil {
		return s
	}
	return &volume.ClusterVolumeSpec{}
}

// Driver is the name of its CSI driver.
func (r *Volume) Driver() string { return r.Spec.Get().Driver }

// Access is how the volume may be used; never nil.
func (r *Volume) Access() *volume.AccessMode {
	if a := r.Cluster().AccessMode; a != nil {
		return a
	}
	return &volume.AccessMode{}
}

// Single reports whether one node at a time may have the volume.
func (r *Volume) Single() bool { return r.Access().Scope != volume.ScopeMultiNode }

// CSIInfo is what a node said of the volume's driver; nil: it has not heard of it. A driver's name may have the tag that a plugin's
// has when none is given.
func (r *Volume) CSIInfo(drivers []swarm.NodeCSIInfo) *swarm.NodeCSIInfo {
	const latest = ":latest"
	name := strings.TrimSuffix(r.Driver(), latest)
	for i := range drivers {
		if strings.TrimSuffix(drivers[i].PluginName, latest) == name {
			return &drivers[i]
		}
	}
	return nil
}

// VolumeState is where a cluster volume is: what its driver made of it, and on which nodes it is published. Writer: volumes.
type VolumeState struct {
	Meta
	VolumeID ID
	Handle   string            // what the driver calls it; empty: it has not been created
	Capacity int64             // bytes; 0: not known
	Context  map[string]string // the driver's, handed back to it with each call
	Topology []volume.Topology // where it can be reached from; none: everywhere
	Attaches bool              // its driver has to be told, through its controller, on which node the volume is used
	Round    uint64            // of the newest of Nodes that there ever was
	Nodes    []VolumeNode      // in the order of their ids
	Err      string            // why the driver could not create or delete it; it is tried again
	Deleted  bool              // its driver has deleted it
}

// On is what is so of a node; nil: the volume is not there and is not to be.
func (r *VolumeState) On(node ID) *VolumeNode {
	if i := slices.IndexFunc(r.Nodes, func(n VolumeNode) bool { return n.NodeID == node }); i >= 0 {
		return &r.Nodes[i]
	}
	return nil
}

// VolumeNode is a volume's stay on one node.
type VolumeNode struct {
	NodeID  ID
	Phase   VolumePhase
	Round   uint64            // tells this stay from an earlier one on the same node
	Handle  string            // what the driver calls the node
	Context map[string]string // what the node's driver needs to know, as the controller said
	Err     string            // why the driver's controller failed; it is tried again
}

// VolumePhase is Docker's publish state in one byte.
type VolumePhase uint8

// The phases of a stay, in their order.
const (
	VolumePending           VolumePhase = iota + 1 // the controller is to publish it to the node
	VolumePublished                                // the node may stage and use it
	VolumeNodeUnpublish                            // the node is to let go of it, and to say so
	VolumeControllerRelease                        // nothing on the node has it: the controller is to unpublish it
)

// Docker is Docker's name for the phase.
func (p VolumePhase) Docker() volume.PublishState {
	switch p {
	case VolumePending:
		return volume.StatePending
	case VolumePublished:
		return volume.StatePublished
	case VolumeNodeUnpublish:
		return volume.StatePendingNodeUnpublish
	case VolumeControllerRelease:
		return volume.StatePendingUnpublish
	}
	return ""
}

// NodeVolumes is what a node's agent says of the volumes that were published to it. Writer: dispatcher.
type NodeVolumes struct {
	Meta
	NodeID ID
	List   []NodeVolume // in the order of their ids
}

// NodeVolume is one volume on one node.
type NodeVolume struct {
	VolumeID ID
	Round    uint64 // of the stay it is about
	Released bool   // nothing of the volume is on the node any more, and nothing of this stay will be
	Err      string // what the node's driver said last
}

// PlacedVolumes are the cluster volumes that the scheduler chose for a task. It is immutable.
type PlacedVolumes struct{ List []PlacedVolume }

// PlacedVolume is the volume of one mount.
type PlacedVolume struct {
	VolumeID ID
	Source   string // of the mount: a volume's name, or group:GROUP
	Target   string
	ReadOnly bool
}

// Chosen are the placement's cluster volumes; most have none.
func (r *Placement) Chosen() []PlacedVolume {
	if r.Volumes == nil {
		return nil
	}
	return r.Volumes.List
}

// Keys of the rows that one id names.
func (r *Volume) Key() Key      { return KeyOf(r.ID) }
func (r *VolumeState) Key() Key { return KeyOf(r.VolumeID) }
func (r *NodeVolumes) Key() Key { return KeyOf(r.NodeID) }
