package allocator

import (
	"fmt"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// service copies the ports a service publishes on its tasks' own nodes: there is nothing to choose for them, a
// number left open is the engine's to pick.
func (p *plan) service(id model.ID) {
	svc := store.Services.ByID(p.v, id)
	if svc == nil {
		p.drop(id)
		return
	}
	a := &model.Allocation{Owner: id, Kind: model.AllocService, Done: true}
	rev := p.active(svc)
	if rev == nil {
		a.Done, a.Err = false, "the service's revision is not known yet"
	} else if e := rev.Spec.Get().EndpointSpec; e != nil {
		for _, port := range e.Ports {
			if port.PublishMode != swarm.PortConfigPublishModeHost {
				a.Done, a.Ports = false, nil
				a.Err = fmt.Sprintf("port %d cannot be published through the ingress network yet; publish it with mode=host", port.TargetPort)
				break
			}
			a.Ports = append(a.Ports, port)
		}
	}
	p.set(a)
}

// active is the revision a service's new tasks are made of.
func (p *plan) active(svc *model.Service) *model.ServiceRevision {
	if r := store.Rollouts.ByID(p.v, svc.ID); r != nil {
		if rev := store.Revisions.ByID(p.v, r.Active); rev != nil {
			return rev
		}
	}
	return store.Revisions.ByID(p.v, svc.Revision)
}
