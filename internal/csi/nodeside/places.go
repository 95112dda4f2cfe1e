package nodeside

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/skep-org/skep/internal/csi"
	"github.com/skep-org/skep/internal/durable"
	"github.com/skep-org/skep/internal/wire"
	"google.golang.org/protobuf/proto"
)

// places are where one volume is on a node. An engine's plugin has its own view of the files.
type places struct {
	staging, stagingHere string // as the driver has it, and as the host does
	target, seen         string
}

// noteFile is what is noted of a volume in its directory.
const noteFile = "volume"

func (n *Node) dirOf(o *wire.VolumeOrder) (string, error) {
	id, err := wire.ID(o.Id)
	if err != nil {
		return "", err
	}
	return filepath.Join(n.Dir, id.String()), nil
}

// places are, for a plugin, those of swarm mode: what it publishes has to be in the directory whose mounts the host sees.
func (n *Node) places(ctx context.Context, d csi.Driver, o *wire.VolumeOrder) (places, error) {
	dir, err := n.dirOf(o)
	if err != nil {
		return places{}, err
	}
	if d.Plugin == nil {
		staging, target := filepath.Join(dir, "staging"), filepath.Join(dir, "target")
		return places{staging, staging, target, target}, nil
	}
	root, err := n.Drivers.Plugins.Root(ctx)
	if err != nil {
		return places{}, err
	}
	if d.Plugin.PropagatedMount == "" {
		return places{}, fmt.Errorf("the plugin's config has no propagatedMount: what it mounts cannot be seen")
	}
	own, id := filepath.Join(root, "plugins", d.Plugin.ID), filepath.Base(dir)
	return places{
		staging: filepath.Join("/data/staged", id), stagingHere: filepath.Join(own, "rootfs/data/staged", id),
		target: filepath.Join(d.Plugin.PropagatedMount, id), seen: filepath.Join(own, "propagated-mount", id),
	}, nil
}

// note keeps what an agent after this one has to know to undo what is begun now.
func (n *Node) note(o *wire.VolumeOrder) error {
	dir, err := n.dirOf(o)
	if err != nil {
		return err
	}
	kept := proto.CloneOf(o)
	kept.Secrets = nil
	raw, err := proto.Marshal(kept)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	path := filepath.Join(dir, noteFile)
	if err := durable.Write(path+".next", raw); err != nil {
		return err
	}
	if err := os.Rename(path+".next", path); err != nil {
		return err
	}
	return errors.Join(durable.SyncDir(dir), durable.SyncDir(n.Dir))
}

// forget removes what was noted, when nothing is left to be undone.
func (n *Node) forget(o *wire.VolumeOrder) error {
	dir, err := n.dirOf(o)
	if err != nil {
		return err
	}
	for _, file := range []string{noteFile, noteFile + ".next"} {
		if err := removed(filepath.Join(dir, file)); err != nil {
			return err
		}
	}
	return removed(dir)
}

// Left are the volumes that an earlier agent has begun to use and not let go of.
func (n *Node) Left() ([]*wire.VolumeOrder, error) {
	entries, err := os.ReadDir(n.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading which cluster volumes this node has: %w", err)
	}
	var left []*wire.VolumeOrder
	for _, e := range entries {
		raw, err := os.ReadFile(filepath.Join(n.Dir, e.Name(), noteFile))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		o := &wire.VolumeOrder{}
		if err == nil {
			err = proto.Unmarshal(raw, o)
		}
		if err != nil {
			return nil, fmt.Errorf("reading what is noted of cluster volume %s: %w", e.Name(), err)
		}
		left = append(left, o)
	}
	return left, nil
}
