package nodeside

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	spec "github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/moby/moby/api/types/volume"
	"github.com/skep-org/skep/internal/agent/staging"
	"github.com/skep-org/skep/internal/csi"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/wire"
	"golang.org/x/sys/unix"
)

// callLimit bounds one call: to format a large volume takes a while.
const callLimit = 2 * time.Minute

// Node has volumes handled on one node. It implements the agent's Volumes.
type Node struct {
	Dir     string // where volumes are staged and published, and noted
	Drivers csi.Drivers
	Env     env.Env
	Limit   time.Duration // of one call; 0: callLimit
}

// Do carries out one operation.
func (n *Node) Do(ctx context.Context, op staging.Op) (string, error) {
	limit := n.Limit
	if limit == 0 {
		limit = callLimit
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	path, err := n.do(ctx, op)
	if err != nil {
		return "", fmt.Errorf("driver %s could not %s the volume on this node: %w", op.Order.GetDriver(), op.Kind, csi.Plain(err))
	}
	return path, nil
}

func (n *Node) do(ctx context.Context, op staging.Op) (string, error) {
	var access volume.AccessMode
	if err := json.Unmarshal(op.Order.Access, &access); err != nil {
		return "", fmt.Errorf("reading how the volume may be used: %w", err)
	}
	d, err := n.Drivers.Find(ctx, op.Order.Driver, csi.Node)
	if err != nil {
		return "", err
	}
	conn, err := d.Dial()
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	c := &call{order: op.Order, access: &access, node: spec.NewNodeClient(conn)}
	if c.at, err = n.places(ctx, d, op.Order); err != nil {
		return "", err
	}
	if c.stages, err = stages(ctx, c.node); err != nil {
		return "", err
	}
	switch op.Kind {
	case staging.Stage:
		if err := n.note(op.Order); err != nil {
			return "", err
		}
		return "", c.stage(ctx)
	case staging.Publish:
		return c.at.seen, c.publish(ctx)
	case staging.Unpublish:
		return "", c.unpublish(ctx)
	}
	if err := c.unstage(ctx); err != nil {
		return "", err
	}
	return "", n.forget(op.Order)
}

// stages reports whether the driver has volumes staged before they are published.
func stages(ctx context.Context, node spec.NodeClient) (bool, error) {
	able, err := node.NodeGetCapabilities(ctx, &spec.NodeGetCapabilitiesRequest{})
	if err != nil {
		return false, err
	}
	for _, a := range able.Capabilities {
		if a.GetRpc().GetType() == spec.NodeServiceCapability_RPC_STAGE_UNSTAGE_VOLUME {
			return true, nil
		}
	}
	return false, nil
}

// call is one operation's.
type call struct {
	order  *wire.VolumeOrder
	access *volume.AccessMode
	node   spec.NodeClient
	stages bool
	at     places
}

func (c *call) stage(ctx context.Context) error {
	if !c.stages {
		return nil
	}
	if err := os.MkdirAll(c.at.stagingHere, 0o750); err != nil {
		return err
	}
	_, err := c.node.NodeStageVolume(ctx, &spec.NodeStageVolumeRequest{
		VolumeId: c.order.Handle, PublishContext: c.order.PublishContext, StagingTargetPath: c.at.staging,
		VolumeCapability: csi.Capability(c.access), Secrets: c.order.Secrets, VolumeContext: c.order.VolumeContext,
	})
	return err
}

func (c *call) publish(ctx context.Context) error {
	if err := os.MkdirAll(filepath.Dir(c.at.seen), 0o750); err != nil {
		return err
	}
	req := &spec.NodePublishVolumeRequest{
		VolumeId: c.order.Handle, PublishContext: c.order.PublishContext, TargetPath: c.at.target, VolumeCapability: csi.Capability(c.access),
		Readonly: csi.ReadOnly(c.access), Secrets: c.order.Secrets, VolumeContext: c.order.VolumeContext,
	}
	if c.stages {
		req.StagingTargetPath = c.at.staging
	}
	if _, err := c.node.NodePublishVolume(ctx, req); err != nil {
		return err
	}
	return c.visible()
}

// visible refuses what a container would find empty: a driver that mounts where the host does not see it.
func (c *call) visible() error {
	if c.access.BlockVolume != nil {
		if info, err := os.Stat(c.at.seen); err != nil || info.Mode()&fs.ModeDevice == 0 {
			return fmt.Errorf("it says that the volume is published, and there is no device at %s: give the driver that directory with its mounts shared (rshared)", c.at.seen)
		}
		return nil
	}
	if !mounted(c.at.seen) {
		return fmt.Errorf("it says that the volume is published, and nothing is mounted at %s: give the driver that directory with its mounts shared (rshared)", c.at.seen)
	}
	return nil
}

// mounted reports whether something is mounted at a path; a kernel before 5.8 does not tell.
func mounted(path string) bool {
	var st unix.Statx_t
	if unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, 0, &st) != nil {
		return false
	}
	return st.Attributes_mask&unix.STATX_ATTR_MOUNT_ROOT == 0 || st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0
}

func (c *call) unpublish(ctx context.Context) error {
	_, err := c.node.NodeUnpublishVolume(ctx, &spec.NodeUnpublishVolumeRequest{VolumeId: c.order.Handle, TargetPath: c.at.target})
	if err := csi.MissingIsDone(err); err != nil {
		return err
	}
	return removed(c.at.seen)
}

func (c *call) unstage(ctx context.Context) error {
	if c.stages {
		_, err := c.node.NodeUnstageVolume(ctx, &spec.NodeUnstageVolumeRequest{VolumeId: c.order.Handle, StagingTargetPath: c.at.staging})
		if err := csi.MissingIsDone(err); err != nil {
			return err
		}
	}
	return removed(c.at.stagingHere)
}

// removed removes a file or an empty directory; there being none is no error.
func removed(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("it says that the volume is gone: %w", err)
	}
	return nil
}
