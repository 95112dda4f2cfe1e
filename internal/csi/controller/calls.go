package controller

import (
	"context"
	"errors"
	"fmt"

	spec "github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/skep-org/skep/internal/csi"
	"github.com/skep-org/skep/internal/manager/volumes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// calls makes calls on the drivers of this node.
type calls struct{ drivers csi.Drivers }

// Call implements [Caller].
func (k calls) Call(ctx context.Context, c volumes.Call, secrets map[string]string) volumes.Outcome {
	o, err := k.call(ctx, c, secrets)
	if err != nil {
		return volumes.Outcome{Err: fmt.Errorf("driver %s could not %s volume %s: %w", c.Volume.Driver(), c.Kind, c.Volume.Name, csi.Plain(err))}
	}
	return o
}

func (k calls) call(ctx context.Context, c volumes.Call, secrets map[string]string) (o volumes.Outcome, err error) {
	d, err := k.drivers.Find(ctx, c.Volume.Driver(), csi.Controller)
	if err != nil {
		if c.Kind == volumes.Delete && c.State.Handle == "" && errors.Is(err, csi.ErrNotFound) {
			return o, nil // nothing was made
		}
		return o, err
	}
	conn, err := d.Dial()
	if err != nil {
		return o, err
	}
	defer func() { _ = conn.Close() }()
	control := spec.NewControllerClient(conn)
	switch c.Kind {
	case volumes.Create:
		return create(ctx, control, c, secrets)
	case volumes.Publish:
		answer, err := control.ControllerPublishVolume(ctx, &spec.ControllerPublishVolumeRequest{
			VolumeId: c.State.Handle, NodeId: c.Node.Handle, VolumeCapability: csi.Capability(c.Volume.Access()),
			Readonly: csi.ReadOnly(c.Volume.Access()), Secrets: secrets, VolumeContext: c.State.Context,
		})
		o.Published = answer.GetPublishContext()
		return o, err
	case volumes.Unpublish:
		_, err := control.ControllerUnpublishVolume(ctx, &spec.ControllerUnpublishVolumeRequest{VolumeId: c.State.Handle, NodeId: c.Node.Handle, Secrets: secrets})
		return o, csi.MissingIsDone(err)
	}
	return o, remove(ctx, control, c, secrets)
}

var errCreatesNone = errors.New("it does not create volumes")

// create makes the volume. Its name for the driver has the cluster's id of it: another volume of the same name, that is being
// deleted perhaps, is never taken for it.
func create(ctx context.Context, control spec.ControllerClient, c volumes.Call, secrets map[string]string) (o volumes.Outcome, err error) {
	able, err := control.ControllerGetCapabilities(ctx, &spec.ControllerGetCapabilitiesRequest{})
	if err != nil {
		return o, err
	}
	creates := false
	for _, a := range able.Capabilities {
		switch a.GetRpc().GetType() {
		case spec.ControllerServiceCapability_RPC_CREATE_DELETE_VOLUME:
			creates = true
		case spec.ControllerServiceCapability_RPC_PUBLISH_UNPUBLISH_VOLUME:
			o.Attaches = true
		}
	}
	if !creates {
		return o, errCreatesNone
	}
	asked := c.Volume.Cluster()
	req := &spec.CreateVolumeRequest{
		Name: c.Volume.Name + "-" + c.Volume.ID.String(), Parameters: c.Volume.Spec.Get().DriverOpts, Secrets: secrets,
		VolumeCapabilities:        []*spec.VolumeCapability{csi.Capability(c.Volume.Access())},
		AccessibilityRequirements: csi.Requirements(asked.AccessibilityRequirements),
	}
	if r := asked.CapacityRange; r != nil && r.RequiredBytes+r.LimitBytes > 0 {
		req.CapacityRange = &spec.CapacityRange{RequiredBytes: r.RequiredBytes, LimitBytes: r.LimitBytes}
	}
	answer, err := control.CreateVolume(ctx, req)
	if err != nil {
		return o, err
	}
	made := answer.GetVolume()
	if made.GetVolumeId() == "" {
		return o, errors.New("it made a volume and did not say what it calls it")
	}
	o.Handle, o.Capacity, o.Context, o.Topology = made.VolumeId, made.CapacityBytes, made.VolumeContext, csi.Topologies(made.AccessibleTopology)
	return o, nil
}

// remove deletes the volume. One that no creation is known of may have been created all the same: it is asked for once more,
// which makes no second one, and what cannot be made has not been.
func remove(ctx context.Context, control spec.ControllerClient, c volumes.Call, secrets map[string]string) error {
	handle := c.State.Handle
	if handle == "" {
		o, err := create(ctx, control, c, secrets)
		if errors.Is(err, errCreatesNone) {
			return nil
		}
		switch status.Code(err) {
		case codes.OK:
			handle = o.Handle
		case codes.InvalidArgument, codes.OutOfRange, codes.ResourceExhausted, codes.Unimplemented, codes.NotFound, codes.AlreadyExists, codes.PermissionDenied:
			return nil
		default:
			return err
		}
	}
	_, err := control.DeleteVolume(ctx, &spec.DeleteVolumeRequest{VolumeId: handle, Secrets: secrets})
	return csi.MissingIsDone(err)
}
