package allocator

import (
	"slices"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// services plans services, the oldest first.
func (p *plan) services(ids []model.ID) {
	var rows []*model.Service
	for _, id := range ids {
		if svc := store.Services.ByID(p.v, id); svc != nil {
			rows = append(rows, svc)
		} else {
			p.drop(id)
		}
	}
	slices.SortFunc(rows, func(a, b *model.Service) int { return older(&a.Meta, &b.Meta, a.ID, b.ID) })
	for _, svc := range slices.Compact(rows) {
		p.service(svc)
	}
}

// service gives a service a virtual address on each of its networks and the ports it publishes. What it has it keeps
// for as long as one of its revisions needs it; what it cannot have yet keeps its new tasks waiting.
func (p *plan) service(svc *model.Service) {
	a := &model.Allocation{Owner: svc.ID, Kind: model.AllocService}
	revs := p.revisions(svc)
	if len(revs) == 0 {
		a.Err = "the service's revision is not known yet"
		p.set(a)
		return
	}
	addresses, ports := p.virtual(a, revs), p.publish(svc, a, revs)
	if err := first(addresses, ports); err != nil {
		a.Err = err.Error()
	}
	a.Done = a.Err == ""
	p.guard(a)
	p.set(a)
}

// revisions are those a service's tasks are of: the active one, which comes first, and while that is not all, the one
// asked for, the one before, and whatever tasks there still are.
func (p *plan) revisions(svc *model.Service) []*model.ServiceRevision {
	ids := []model.ID{store.ActiveRevision(p.v, svc)}
	if r := store.Rollouts.ByID(p.v, svc.ID); r != nil && !settled(svc, r) {
		ids = append(ids, r.Active, svc.Revision, r.Previous)
		for t := range store.TasksOf(p.v, svc.ID) {
			if t.Desired < model.StateShutdown {
				ids = append(ids, t.Revision)
			}
		}
	}
	var out []*model.ServiceRevision
	for _, id := range ids {
		if rev := store.Revisions.ByID(p.v, id); rev != nil && !slices.Contains(out, rev) {
			out = append(out, rev)
		}
	}
	return out
}

// rolling are those of the services that change with their tasks.
func (p *plan) rolling(ids []model.ID) []model.ID {
	return slices.DeleteFunc(ids, func(id model.ID) bool {
		svc, r := store.Services.ByID(p.v, id), store.Rollouts.ByID(p.v, id)
		return svc == nil || r == nil || settled(svc, r)
	})
}

// settled reports whether all tasks of a service are of its active revision.
func settled(svc *model.Service, r *model.Rollout) bool {
	if r.Asked != svc.Revision || r.AskedIndex < svc.Index {
		return false
	}
	switch r.State {
	case model.RolloutNone, model.RolloutCompleted, model.RolloutRollbackCompleted:
		return true
	}
	return false
}

// virtual gives the service an address on each network on which its active revision is known by one, and leaves it those
// of the other revisions.
func (p *plan) virtual(a *model.Allocation, revs []*model.ServiceRevision) (err error) {
	had := p.get(a.Owner)
	for i, rev := range revs {
		networks, waits := p.faces(rev)
		if i == 0 {
			err = waits
		}
		for _, n := range networks {
			if addressOf(a, n.ID) == nil && (i == 0 || addressOf(had, n.ID) != nil) {
				err = first(err, p.keepOrGive(a, n))
			}
		}
	}
	return err
}

// faces are the networks a revision's service has a virtual address on.
func (p *plan) faces(rev *model.ServiceRevision) ([]*model.Network, error) {
	if e := rev.Spec.Get().EndpointSpec; e != nil && e.Mode == swarm.ResolutionModeDNSRR {
		return nil, nil
	}
	networks, err := p.overlays(rev)
	if publishes(rev) {
		n, waits := p.ingress()
		if waits == nil {
			networks = slices.Insert(networks, 0, n)
		}
		err = first(err, waits)
	}
	return networks, err
}
