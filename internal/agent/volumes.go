package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/api/types/volume"
	"github.com/skep-org/skep/internal/agent/staging"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/wire"
	"golang.org/x/sync/errgroup"
)

// Volumes carries out operations on cluster volumes.
type Volumes interface {
	// Do returns, of a publish, where the volume is. It ends by itself: a driver that does not answer has failed.
	Do(ctx context.Context, op staging.Op) (path string, err error)
}

var errNoVolumes = errors.New("this node has no cluster volumes")

// placedVolumes reads which volumes a task's mounts are given; what cannot be read is missed when the task is prepared.
func placedVolumes(raw []byte) (list []model.PlacedVolume) {
	if json.Unmarshal(raw, &list) != nil {
		return nil
	}
	return list
}

// mounted is what a task's mounts of cluster volumes are given, or what it waits for.
func (m *Machine) mounted(t *task) (map[string]executor.Volume, error) {
	var out map[string]executor.Volume
	for _, p := range t.volumes {
		order := m.volumes.Order(p.VolumeID)
		path, reason := m.volumes.Path(p.VolumeID)
		name := p.VolumeID.String()
		if order != nil {
			name = order.Name
		}
		if reason != "" {
			return nil, fmt.Errorf("%w for volume %s: %s", executor.ErrBusy, name, reason)
		}
		access := accessOf(order)
		if access.Sharing == volume.SharingNone && m.usedBesides(p.VolumeID, t) {
			return nil, fmt.Errorf("%w for volume %s: another task on this node still uses it", executor.ErrBusy, name)
		}
		if out == nil {
			out = map[string]executor.Volume{}
		}
		out[p.Target] = executor.Volume{Path: path, Block: access.BlockVolume != nil}
	}
	return out, nil
}

func accessOf(o *wire.VolumeOrder) (a volume.AccessMode) {
	if json.Unmarshal(o.GetAccess(), &a) != nil {
		return volume.AccessMode{} // none that a manager sends
	}
	return a
}

// stepVolumes begins what is due of the node's volumes.
func (m *Machine) stepVolumes(now time.Time, out *Output) time.Time {
	if !m.up {
		return time.Time{} // who uses what is not known
	}
	ops, next := m.volumes.Step(now, func(id model.ID) bool { return m.usedBesides(id, nil) })
	out.Volumes = ops
	return next
}

// usedBesides reports whether a container has a volume, or may be about to, other than that of one task. One that runs and was
// never assigned may have any.
func (m *Machine) usedBesides(id model.ID, except *task) bool {
	for _, t := range m.tasks {
		if except == nil && t.running() && !t.told {
			return true
		}
		if t == except || !t.running() && (t.op == nil || !t.op.begun || t.op.Kind == Remove) {
			continue
		}
		for _, p := range t.volumes {
			if p.VolumeID == id {
				return true
			}
		}
	}
	return false
}

// freed has tasks look again that wait for a volume which a task may have let go of.
func (m *Machine) freed(t *task) {
	if len(t.volumes) > 0 && !t.running() {
		m.endWaits()
	}
}

// VolumeDone takes the outcome of an operation on a volume.
func (m *Machine) VolumeDone(now time.Time, op staging.Op, path string, err error) {
	m.volumes.Done(now, op, path, err)
	m.endWaits()
}

// Drivers says which CSI drivers the node has.
func (m *Machine) Drivers(list []swarm.NodeCSIInfo) {
	m.csi = list
	if m.node != nil {
		m.Describe(*m.node)
	}
}

// talkVolumes tells the manager what became of the volumes, once the session has brought all orders.
func (m *Machine) talkVolumes(out *Output) {
	if !m.link.synced {
		return
	}
	if r := m.volumes.Report(); r != nil {
		out.Send = append(out.Send, wire.FromVolumes(r))
	}
}

// operateVolume carries one operation on a volume out beside the others.
func (a *Agent) operateVolume(ctx context.Context, g *errgroup.Group, op staging.Op) {
	g.Go(func() error {
		path, err := "", errNoVolumes
		if a.cfg.Volumes != nil {
			path, err = a.cfg.Volumes.Do(ctx, op)
		}
		a.tell(func(now time.Time) {
			if err != nil {
				a.cfg.Log.Warn("a CSI driver of this node failed, it is asked again", "operation", op.Kind, "volume", op.Order.GetName(), "err", err)
			}
			a.machine.VolumeDone(now, op, path, err)
		})
		return nil
	})
}

// SetDrivers says which CSI drivers the node has: always all of them. It may be called from any goroutine, and before Run.
func (a *Agent) SetDrivers(list []swarm.NodeCSIInfo) {
	a.tell(func(time.Time) { a.machine.Drivers(list) })
}
