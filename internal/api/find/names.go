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

// TaskName is the name of a task's container.
func TaskName(v store.View, t *model.Task) string {
	return executor.TaskName(ServiceName(v, t), t.Slot, t.NodeID, t.ID)
}
