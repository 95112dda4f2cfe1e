package find

import (
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// ServiceName is a service's name, also when the service is gone and only its tasks are left.
func ServiceName(v store.View, t *model.Task) string {
	if s := store.Services.ByID(v, t.ServiceID); s != nil {
		return s.Name
	}
	if r := store.Revisions.ByID(v, t.Revision); r != nil {
		return r.Spec.Get().Name
	}
	return ""
}

// TaskName is the name of a task's container. Where there is no slot number, as in global services and the first slot of
// a job, the node stands for it.
func TaskName(v store.View, t *model.Task) string {
	return executor.TaskName(ServiceName(v, t), t.Slot, TaskNode(v, t), t.ID)
}

// TaskNode is the node that a task is on, or meant for.
func TaskNode(v store.View, t *model.Task) model.ID {
	if p := store.Placements.ByID(v, t.ID); p != nil && !p.NodeID.IsZero() {
		return p.NodeID
	}
	return t.NodeID
}
