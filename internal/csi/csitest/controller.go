package csitest

import (
	"context"
	"os"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// ControllerGetCapabilities implements csi.ControllerServer.
func (d *Driver) ControllerGetCapabilities(context.Context, *csi.ControllerGetCapabilitiesRequest) (*csi.ControllerGetCapabilitiesResponse, error) {
	types := []csi.ControllerServiceCapability_RPC_Type{csi.ControllerServiceCapability_RPC_CREATE_DELETE_VOLUME}
	if !d.o.Detached {
		types = append(types, csi.ControllerServiceCapability_RPC_PUBLISH_UNPUBLISH_VOLUME)
	}
	out := &csi.ControllerGetCapabilitiesResponse{}
	for _, t := range types {
		out.Capabilities = append(out.Capabilities, &csi.ControllerServiceCapability{Type: &csi.ControllerServiceCapability_Rpc{Rpc: &csi.ControllerServiceCapability_RPC{Type: t}}})
	}
	return out, nil
}

// CreateVolume implements csi.ControllerServer. The parameter "refuse" has it refuse for good.
func (d *Driver) CreateVolume(_ context.Context, r *csi.CreateVolumeRequest) (*csi.CreateVolumeResponse, error) {
	if err := d.allowed(r.Secrets); err != nil {
		return nil, err
	}
	if r.Parameters["refuse"] != "" {
		return nil, status.Error(codes.InvalidArgument, r.Parameters["refuse"])
	}
	id := "vol-" + r.Name
	multi := false
	for _, c := range r.VolumeCapabilities {
		multi = multi || c.AccessMode.Mode >= csi.VolumeCapability_AccessMode_MULTI_NODE_READER_ONLY
	}
	err := d.o.Place.change(func(s *State) error {
		if s.Volumes[id] == nil {
			s.Volumes[id] = &Volume{Name: r.Name, Multi: multi, Nodes: map[string]*Stay{}}
		}
		s.Calls["CreateVolume"]++
		return os.MkdirAll(d.o.Place.data(id), 0o700)
	})
	v := &csi.Volume{VolumeId: id, CapacityBytes: r.GetCapacityRange().GetRequiredBytes(), VolumeContext: map[string]string{"made": r.Name}}
	v.AccessibleTopology = append(v.AccessibleTopology, r.GetAccessibilityRequirements().GetRequisite()...)
	return &csi.CreateVolumeResponse{Volume: v}, err
}

// DeleteVolume implements csi.ControllerServer.
func (d *Driver) DeleteVolume(_ context.Context, r *csi.DeleteVolumeRequest) (*csi.DeleteVolumeResponse, error) {
	if err := d.allowed(r.Secrets); err != nil {
		return nil, err
	}
	return &csi.DeleteVolumeResponse{}, d.o.Place.change(func(s *State) error {
		v := s.Volumes[r.VolumeId]
		if v == nil {
			return nil
		}
		for node, stay := range v.Nodes {
			if *stay != (Stay{}) {
				s.violated("DeleteVolume %s while it is on %s: %+v", r.VolumeId, node, *stay)
				return status.Error(codes.FailedPrecondition, "it is in use on "+node)
			}
		}
		delete(s.Volumes, r.VolumeId)
		s.Calls["DeleteVolume"]++
		return os.RemoveAll(d.o.Place.data(r.VolumeId))
	})
}

// ControllerPublishVolume implements csi.ControllerServer.
func (d *Driver) ControllerPublishVolume(_ context.Context, r *csi.ControllerPublishVolumeRequest) (*csi.ControllerPublishVolumeResponse, error) {
	if err := d.allowed(r.Secrets); err != nil {
		return nil, err
	}
	err := d.volume("ControllerPublishVolume", r.VolumeId, func(s *State, v *Volume) error {
		for node, stay := range v.Nodes {
			if node != r.NodeId && stay.Attached && !v.Multi {
				s.violated("ControllerPublishVolume %s to %s while it is published to %s", r.VolumeId, r.NodeId, node)
				return status.Error(codes.FailedPrecondition, "it is published to "+node)
			}
		}
		v.on(r.NodeId).Attached = true
		return nil
	})
	return &csi.ControllerPublishVolumeResponse{PublishContext: map[string]string{"attached": r.NodeId}}, err
}

// ControllerUnpublishVolume implements csi.ControllerServer. From a host that is off it takes the volume away; one that is on has
// to have let go of it.
func (d *Driver) ControllerUnpublishVolume(_ context.Context, r *csi.ControllerUnpublishVolumeRequest) (*csi.ControllerUnpublishVolumeResponse, error) {
	if err := d.allowed(r.Secrets); err != nil {
		return nil, err
	}
	return &csi.ControllerUnpublishVolumeResponse{}, d.volume("ControllerUnpublishVolume", r.VolumeId, func(s *State, v *Volume) error {
		stay := v.on(r.NodeId)
		if !d.o.Place.dead(r.NodeId) && (stay.Staged != "" || stay.Published != "") {
			s.violated("ControllerUnpublishVolume %s from %s, which is on and has it: %+v", r.VolumeId, r.NodeId, *stay)
		}
		delete(v.Nodes, r.NodeId)
		return nil
	})
}
