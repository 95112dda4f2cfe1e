package model

import (
	"crypto/sha256"
	"encoding/json"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model/privilege"
)

// Fingerprint condenses the part of a spec that its tasks are made of. Two revisions with equal fingerprints do not
// need their tasks replaced: replicas, update settings, service labels and placement are left out (a task whose node
// no longer fits is moved by the constraint check), the published ports are in, as Docker replaces tasks for them. Of the
// labels those are in that say how containers are made.
func Fingerprint(spec *swarm.ServiceSpec) [16]byte {
	task := spec.TaskTemplate
	task.Placement = nil
	part := struct {
		Task  swarm.TaskSpec
		Name  string // the name is in each container's name and names on networks
		Ports []swarm.PortConfig

		Labels map[string]string `json:",omitempty"`
	}{Task: task, Name: spec.Name, Labels: privilege.Labels(spec.Labels)}
	if spec.EndpointSpec != nil {
		part.Ports = spec.EndpointSpec.Ports
	}
	b, err := json.Marshal(part)
	if err != nil {
		panic("model: a parsed spec cannot be marshalled: " + err.Error())
	}
	sum := sha256.Sum256(b)
	return [16]byte(sum[:16])
}
