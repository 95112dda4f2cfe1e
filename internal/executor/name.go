package executor

import (
	"strconv"

	"github.com/skep-org/skep/internal/model"
)

// The labels swarm gives its containers, by which tools know them.
const (
	LabelNodeID      = "com.docker.swarm.node.id"
	LabelServiceID   = "com.docker.swarm.service.id"
	LabelServiceName = "com.docker.swarm.service.name"
	LabelTaskID      = "com.docker.swarm.task.id"
	LabelTaskName    = "com.docker.swarm.task.name"
	LabelTask        = "com.docker.swarm.task" // present and empty
)

// TaskName is swarm's name for a task's container.
func TaskName(service string, slot uint64, node, task model.ID) string {
	mid := node.String()
	if slot > 0 {
		mid = strconv.FormatUint(slot, 10)
	}
	return service + "." + mid + "." + task.String()
}
