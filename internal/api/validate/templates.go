package validate

import (
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/api/httperr"
	"github.com/skep-org/skep/internal/executor/template"
)

// expanded is the container's spec as a task might have it, so that a mistake in a template is told to who makes it and
// not task by task. What only a task has are words that stand for it.
func expanded(spec *swarm.ServiceSpec) (*swarm.ContainerSpec, error) {
	c := template.Context{}
	c.Service.ID, c.Service.Name, c.Service.Labels = "serviceid", spec.Name, spec.Labels
	c.Node.ID, c.Node.Hostname, c.Node.Platform = "nodeid", "nodeHostname", template.Platform{Architecture: "architecture", OS: "os"}
	c.Task.Name, c.Task.Slot = "taskname", "1"
	out, err := template.Container(c, spec.TaskTemplate.ContainerSpec)
	if err != nil {
		return nil, httperr.BadRequest("%s", err)
	}
	return out, nil
}
