package csi

import (
	"github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/api/types/volume"
)

// Capability is how a volume is used, in the drivers' terms.
func Capability(a *volume.AccessMode) *csi.VolumeCapability {
	c := &csi.VolumeCapability{AccessMode: &csi.VolumeCapability_AccessMode{Mode: mode(a)}}
	if a.BlockVolume != nil {
		c.AccessType = &csi.VolumeCapability_Block{Block: &csi.VolumeCapability_BlockVolume{}}
		return c
	}
	m := &csi.VolumeCapability_MountVolume{}
	if a.MountVolume != nil {
		m.FsType, m.MountFlags = a.MountVolume.FsType, a.MountVolume.MountFlags
	}
	c.AccessType = &csi.VolumeCapability_Mount{Mount: m}
	return c
}

func mode(a *volume.AccessMode) csi.VolumeCapability_AccessMode_Mode {
	multi := a.Scope == volume.ScopeMultiNode
	switch {
	case a.Sharing == volume.SharingReadOnly && multi:
		return csi.VolumeCapability_AccessMode_MULTI_NODE_READER_ONLY
	case a.Sharing == volume.SharingReadOnly:
		return csi.VolumeCapability_AccessMode_SINGLE_NODE_READER_ONLY
	case a.Sharing == volume.SharingOneWriter && multi:
		return csi.VolumeCapability_AccessMode_MULTI_NODE_SINGLE_WRITER
	case multi:
		return csi.VolumeCapability_AccessMode_MULTI_NODE_MULTI_WRITER
	}
	return csi.VolumeCapability_AccessMode_SINGLE_NODE_WRITER
}

// ReadOnly reports whether nobody writes to the volume.
func ReadOnly(a *volume.AccessMode) bool { return a.Sharing == volume.SharingReadOnly }

// Requirements are where a volume is to be reached from, in the drivers' terms.
func Requirements(r *volume.TopologyRequirement) *csi.TopologyRequirement {
	if r == nil || len(r.Requisite)+len(r.Preferred) == 0 {
		return nil
	}
	return &csi.TopologyRequirement{Requisite: topologies(r.Requisite), Preferred: topologies(r.Preferred)}
}

func topologies(list []volume.Topology) (out []*csi.Topology) {
	for _, t := range list {
		out = append(out, &csi.Topology{Segments: t.Segments})
	}
	return out
}

// Topologies are a driver's, in Docker's terms.
func Topologies(list []*csi.Topology) (out []volume.Topology) {
	for _, t := range list {
		out = append(out, volume.Topology{Segments: t.GetSegments()})
	}
	return out
}

// NodeInfo is what a driver says of a node, in Docker's terms.
func NodeInfo(name string, r *csi.NodeGetInfoResponse) swarm.NodeCSIInfo {
	info := swarm.NodeCSIInfo{PluginName: name, NodeID: r.NodeId, MaxVolumesPerNode: r.MaxVolumesPerNode}
	if t := r.AccessibleTopology; t != nil && len(t.Segments) > 0 {
		info.AccessibleTopology = &swarm.Topology{Segments: t.Segments}
	}
	return info
}
