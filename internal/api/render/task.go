package render

import (
	"encoding/hex"
	"net/netip"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// TaskOut is Docker's task, without the volumes that skep has none of.
type TaskOut struct {
	swarm.Task
	Volumes []swarm.VolumeAttachment `json:"Volumes,omitempty"`
}

// rows are what the stages say of one task; each but the task may be nil.
type rows struct {
	task       *model.Task
	allocation *model.Allocation
	placement  *model.Placement
	status     *model.TaskStatus
}

func rowsOf(v store.View, t *model.Task) rows {
	return rows{t, store.Allocations.ByID(v, t.ID), store.Placements.ByID(v, t.ID), store.Statuses.ByID(v, t.ID)}
}

func (r rows) observe(v store.View, now time.Time) model.Observed {
	var node *model.NodeState
	if r.placement != nil {
		node = store.NodeStates.ByID(v, r.placement.NodeID)
	}
	return model.Observe(r.task, r.allocation, r.placement, r.status, node, now)
}

func observe(v store.View, t *model.Task, now time.Time) model.Observed {
	return rowsOf(v, t).observe(v, now)
}

// Observe is a task's state as Docker shows it, as of the view's newest stamp.
func Observe(v store.View, t *model.Task) model.Observed { return observe(v, t, time.Unix(0, v.Now())) }

// meta is the head of an object made of several rows: its newest write.
func (r rows) meta() swarm.Meta {
	index, updated := r.task.Index, r.task.Updated
	take := func(m *model.Meta) { index, updated = max(index, m.Index), max(updated, m.Updated) }
	if r.allocation != nil {
		take(&r.allocation.Meta)
	}
	if r.placement != nil {
		take(&r.placement.Meta)
	}
	if r.status != nil {
		take(&r.status.Meta)
	}
	return swarm.Meta{Version: swarm.Version{Index: index}, CreatedAt: r.task.CreatedAt(), UpdatedAt: time.Unix(0, updated).UTC()}
}

// Task is one task.
func Task(v store.View, t *model.Task) TaskOut {
	r := rowsOf(v, t)
	seen := r.observe(v, time.Unix(0, v.Now()))
	out := swarm.Task{
		ID: t.ID.String(), Meta: r.meta(),
		ServiceID: t.ServiceID.String(), Slot: int(t.Slot), NodeID: seen.NodeID.String(),
		DesiredState: t.Desired.Swarm(),
		Status:       swarm.TaskStatus{Timestamp: time.Unix(0, seen.At).UTC(), State: seen.State.Swarm(), Message: seen.Message, Err: seen.Err},
	}
	out.Labels = map[string]string{}
	spec := Spec(store.Revisions.ByID(v, t.Revision))
	out.Spec = spec.TaskTemplate
	if model.IsJob(spec.Mode) {
		out.JobIteration = &swarm.Version{Index: uint64(t.Iteration)}
	}
	out.Spec.Runtime = "" // swarm's tasks do not repeat it
	if r.status != nil {
		out.Status.ContainerStatus = containerStatus(r.status)
		if r.status.Detail != nil {
			out.Status.PortStatus.Ports = r.status.Detail.Ports
		}
	}
	if r.placement != nil {
		out.GenericResources = r.placement.Generic
	}
	if r.allocation != nil {
		out.NetworksAttachments = attachments(v, r.allocation)
	}
	return TaskOut{Task: out}
}

// containerStatus is there from the moment the node works on a container, even while there is none: so it is in swarm.
func containerStatus(s *model.TaskStatus) *swarm.ContainerStatus {
	if s.State < model.StatePreparing {
		return nil
	}
	out := &swarm.ContainerStatus{PID: int(s.PID), ExitCode: int(s.ExitCode)}
	if s.Container != [32]byte{} {
		out.ContainerID = hex.EncodeToString(s.Container[:])
	}
	return out
}

func attachments(v store.View, a *model.Allocation) []swarm.NetworkAttachment {
	var out []swarm.NetworkAttachment
	for _, n := range a.Networks {
		row := store.Networks.ByID(v, n.NetworkID)
		if row == nil {
			continue
		}
		attachment := swarm.NetworkAttachment{Network: swarmNetwork(v, row)}
		if n.Addr.IsValid() {
			attachment.Addresses = []netip.Prefix{n.Addr}
		}
		out = append(out, attachment)
	}
	return out
}
