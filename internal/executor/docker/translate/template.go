package translate

import (
	"strconv"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/executor/template"
)

// Templates is what a task's templates see on a node of a platform.
func Templates(t *executor.Task, p swarm.Platform) template.Context {
	c := template.Context{}
	c.Service.ID, c.Service.Name, c.Service.Labels = t.ServiceID.String(), t.ServiceName, t.ServiceLabels
	c.Node.ID, c.Node.Hostname, c.Node.Platform = t.NodeID.String(), t.NodeHostname, template.Platform{Architecture: p.Architecture, OS: p.OS}
	c.Task.ID, c.Task.Name, c.Task.Slot = t.ID.String(), t.Name(), strconv.FormatUint(t.Slot, 10)
	if t.Slot == 0 {
		c.Task.Slot = t.NodeID.String()
	}
	return c
}
