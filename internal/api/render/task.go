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

// kept bounds what Tasks keeps of revisions and networks.
const kept = 1024

// Tasks renders tasks of one view. It keeps what many of them show, so that the tasks of one service cost one look at its spec.
type Tasks struct {
	v        store.View
	now      time.Time
	specs    map[model.ID]*taskSpec // by revision
	networks map[model.ID]swarm.Network
}

// taskSpec is what a revision's tasks show of it.
type taskSpec struct {
	spec swarm.TaskSpec
	job  bool
}

// NewTasks renders tasks of a view.
func NewTasks(v store.View) *Tasks {
	return &Tasks{v: v, now: time.Unix(0, v.Now()), specs: map[model.ID]*taskSpec{}, networks: map[model.ID]swarm.Network{}}
}

// Task is one task.
func (r *Tasks) Task(t *model.Task) TaskOut {
	rows := rowsOf(r.v, t)
	seen := rows.observe(r.v, r.now)
	out := swarm.Task{
		ID: t.ID.String(), Meta: rows.meta(),
		ServiceID: t.ServiceID.String(), Slot: int(t.Slot), NodeID: seen.NodeID.String(),
		DesiredState: t.Desired.Swarm(),
		Status:       swarm.TaskStatus{Timestamp: time.Unix(0, seen.At).UTC(), State: seen.State.Swarm(), Message: seen.Message, Err: seen.Err},
	}
	out.Labels = map[string]string{}
	spec := r.spec(t.Revision)
	out.Spec = spec.spec
	if spec.job {
		out.JobIteration = &swarm.Version{Index: uint64(t.Iteration)}
	}
	if s := rows.status; s != nil {
		out.Status.ContainerStatus = containerStatus(s)
		if s.Detail != nil {
			out.Status.PortStatus.Ports = s.Detail.Ports
		}
	}
	if rows.placement != nil {
		out.GenericResources, out.Volumes = rows.placement.Generic, taskVolumes(rows.placement)
	}
	if rows.allocation != nil {
		out.NetworksAttachments = r.attachments(rows.allocation)
	}
	return TaskOut{Task: out}
}

func (r *Tasks) spec(revision model.ID) *taskSpec {
	if known := r.specs[revision]; known != nil {
		return known
	}
	spec := Spec(store.Revisions.ByID(r.v, revision))
	out := &taskSpec{spec: spec.TaskTemplate, job: model.IsJob(spec.Mode)}
	out.spec.Runtime = "" // swarm's tasks do not repeat it
	if len(r.specs) == kept {
		clear(r.specs)
	}
	r.specs[revision] = out
	return out
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

func (r *Tasks) attachments(a *model.Allocation) []swarm.NetworkAttachment {
	var out []swarm.NetworkAttachment
	for _, n := range a.Networks {
		network, ok := r.network(n.NetworkID)
		if !ok {
			continue
		}
		attachment := swarm.NetworkAttachment{Network: network}
		if n.Addr.IsValid() {
			attachment.Addresses = []netip.Prefix{n.Addr}
		}
		out = append(out, attachment)
	}
	return out
}

func (r *Tasks) network(id model.ID) (swarm.Network, bool) {
	if known, ok := r.networks[id]; ok {
		return known, true
	}
	row := store.Networks.ByID(r.v, id)
	if row == nil {
		return swarm.Network{}, false
	}
	if len(r.networks) == kept {
		clear(r.networks)
	}
	r.networks[id] = swarmNetwork(r.v, row)
	return r.networks[id], true
}
