package csitest

import (
	"context"
	"os"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// NodeGetCapabilities implements csi.NodeServer.
func (d *Driver) NodeGetCapabilities(context.Context, *csi.NodeGetCapabilitiesRequest) (*csi.NodeGetCapabilitiesResponse, error) {
	if d.o.Unstaged {
		return &csi.NodeGetCapabilitiesResponse{}, nil
	}
	return &csi.NodeGetCapabilitiesResponse{Capabilities: []*csi.NodeServiceCapability{{Type: &csi.NodeServiceCapability_Rpc{
		Rpc: &csi.NodeServiceCapability_RPC{Type: csi.NodeServiceCapability_RPC_STAGE_UNSTAGE_VOLUME}}}}}, nil
}

// NodeGetInfo implements csi.NodeServer.
func (d *Driver) NodeGetInfo(context.Context, *csi.NodeGetInfoRequest) (*csi.NodeGetInfoResponse, error) {
	out := &csi.NodeGetInfoResponse{NodeId: d.o.Node}
	if d.o.Zone != "" {
		out.AccessibleTopology = &csi.Topology{Segments: map[string]string{"zone": d.o.Zone}}
	}
	return out, nil
}

// mayUse finds wrong what is done of a volume that the controller has not published to this node, or that another one has.
func (d *Driver) mayUse(s *State, v *Volume, call, id string) error {
	if !d.o.Detached && !v.on(d.o.Node).Attached {
		s.violated("%s %s on %s, to which it is not published", call, id, d.o.Node)
		return status.Error(codes.FailedPrecondition, "it is not published to this node")
	}
	for node, stay := range v.Nodes {
		if node != d.o.Node && !v.Multi && (stay.Staged != "" || stay.Published != "") {
			s.violated("%s %s on %s while %s has it: %+v", call, id, d.o.Node, node, *stay)
			return status.Error(codes.FailedPrecondition, node+" has it")
		}
	}
	return nil
}

// NodeStageVolume implements csi.NodeServer.
func (d *Driver) NodeStageVolume(_ context.Context, r *csi.NodeStageVolumeRequest) (*csi.NodeStageVolumeResponse, error) {
	if err := d.allowed(r.Secrets); err != nil {
		return nil, err
	}
	return &csi.NodeStageVolumeResponse{}, d.volume("NodeStageVolume", r.VolumeId, func(s *State, v *Volume) error {
		if err := d.mayUse(s, v, "NodeStageVolume", r.VolumeId); err != nil {
			return err
		}
		if !d.o.Detached && r.PublishContext["attached"] != d.o.Node || r.VolumeContext["made"] != v.Name {
			s.violated("NodeStageVolume %s on %s with %v, %v", r.VolumeId, d.o.Node, r.PublishContext, r.VolumeContext)
		}
		v.on(d.o.Node).Staged = r.StagingTargetPath
		return d.bind(d.o.Place.data(r.VolumeId), r.StagingTargetPath)
	})
}

// NodePublishVolume implements csi.NodeServer.
func (d *Driver) NodePublishVolume(_ context.Context, r *csi.NodePublishVolumeRequest) (*csi.NodePublishVolumeResponse, error) {
	if err := d.allowed(r.Secrets); err != nil {
		return nil, err
	}
	return &csi.NodePublishVolumeResponse{}, d.volume("NodePublishVolume", r.VolumeId, func(s *State, v *Volume) error {
		if err := d.mayUse(s, v, "NodePublishVolume", r.VolumeId); err != nil {
			return err
		}
		from := r.StagingTargetPath
		if d.o.Unstaged {
			from = d.o.Place.data(r.VolumeId)
		} else if v.on(d.o.Node).Staged != r.StagingTargetPath {
			s.violated("NodePublishVolume %s on %s, which has not staged it", r.VolumeId, d.o.Node)
			return status.Error(codes.FailedPrecondition, "it is not staged")
		}
		v.on(d.o.Node).Published = r.TargetPath
		return d.bind(from, r.TargetPath)
	})
}

// NodeUnpublishVolume implements csi.NodeServer.
func (d *Driver) NodeUnpublishVolume(_ context.Context, r *csi.NodeUnpublishVolumeRequest) (*csi.NodeUnpublishVolumeResponse, error) {
	return &csi.NodeUnpublishVolumeResponse{}, d.undo("NodeUnpublishVolume", r.VolumeId, r.TargetPath, func(_ *State, stay *Stay) { stay.Published = "" })
}

// NodeUnstageVolume implements csi.NodeServer.
func (d *Driver) NodeUnstageVolume(_ context.Context, r *csi.NodeUnstageVolumeRequest) (*csi.NodeUnstageVolumeResponse, error) {
	return &csi.NodeUnstageVolumeResponse{}, d.undo("NodeUnstageVolume", r.VolumeId, r.StagingTargetPath, func(s *State, stay *Stay) {
		if stay.Published != "" {
			s.violated("NodeUnstageVolume %s on %s while it is published at %s", r.VolumeId, d.o.Node, stay.Published)
		}
		stay.Staged = ""
	})
}

// undo unmounts. A volume that was deleted by force is unmounted too.
func (d *Driver) undo(call, id, path string, f func(*State, *Stay)) error {
	return d.o.Place.change(func(s *State) error {
		if d.o.Mounts.Mounted(path) {
			if err := d.o.Mounts.Unmount(path); err != nil {
				return status.Errorf(codes.Internal, "unmounting %s: %s", path, err)
			}
		}
		if err := remove(path); err != nil {
			return err
		}
		s.Calls[call]++
		if v := s.Volumes[id]; v != nil {
			stay := v.on(d.o.Node)
			f(s, stay)
			if *stay == (Stay{}) {
				delete(v.Nodes, d.o.Node)
			}
		}
		return nil
	})
}

func (d *Driver) bind(from, to string) error {
	if d.o.Mounts.Mounted(to) {
		return nil
	}
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	return d.o.Mounts.Bind(from, to)
}
