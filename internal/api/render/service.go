package render

import (
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// Revisions says which revisions of a service its Spec and PreviousSpec are; either may be nil.
func Revisions(v store.View, s *model.Service) (current, previous *model.ServiceRevision) {
	return revisions(v, s, TakenUp(v, s))
}

func revisions(v store.View, s *model.Service, r *model.Rollout) (current, previous *model.ServiceRevision) {
	now, before := s.Revision, s.Previous
	if r != nil {
		now, before = r.Active, r.Previous
	}
	current = store.Revisions.ByID(v, now)
	if !before.IsZero() {
		previous = store.Revisions.ByID(v, before)
	}
	return current, previous
}

// TakenUp is the service's rollout when it answers what was last asked, else nil.
func TakenUp(v store.View, s *model.Service) *model.Rollout {
	r := store.Rollouts.ByID(v, s.ID)
	if r == nil || r.Asked != s.Revision || r.AskedIndex < s.Index {
		return nil
	}
	return r
}

// Version is the service's Version.Index. It rises with what is asked, and when the active revision becomes
// another than that, as an automatic rollback makes it. A rollout merely taking up what was asked changes
// nothing a reader has seen, so it does not make the reader's update come out of sequence.
func Version(v store.View, s *model.Service) uint64 {
	return version(s, TakenUp(v, s))
}

func version(s *model.Service, r *model.Rollout) uint64 {
	if r != nil && r.Active != s.Revision {
		return max(s.Index, r.ActiveIndex)
	}
	return s.Index
}

// Spec is a revision's spec as the API shows it, with the image it was pinned to.
func Spec(r *model.ServiceRevision) swarm.ServiceSpec {
	if r == nil {
		return swarm.ServiceSpec{}
	}
	spec := *r.Spec.Get()
	if r.Pinned != "" && spec.TaskTemplate.ContainerSpec != nil {
		c := *spec.TaskTemplate.ContainerSpec
		c.Image = r.Pinned
		spec.TaskTemplate.ContainerSpec = &c
	}
	if spec.Labels == nil {
		spec.Labels = map[string]string{}
	}
	return spec
}

// Service is one service.
func Service(v store.View, s *model.Service) swarm.Service {
	taken := TakenUp(v, s)
	current, previous := revisions(v, s, taken)
	out := swarm.Service{ID: s.ID.String(), Spec: Spec(current)}
	out.Meta = swarm.Meta{Version: swarm.Version{Index: version(s, taken)}, CreatedAt: s.CreatedAt(), UpdatedAt: s.UpdatedAt()}
	if previous != nil {
		spec := Spec(previous)
		out.PreviousSpec = &spec
	}
	if r := taken; r != nil {
		out.UpdateStatus = updateStatus(r)
		if r.Updated > s.Updated {
			out.UpdatedAt = r.UpdatedAt()
		}
	}
	if model.IsJob(out.Spec.Mode) {
		out.JobStatus = &swarm.JobStatus{JobIteration: swarm.Version{Index: s.Iteration}, LastExecution: s.UpdatedAt()}
	}
	out.Endpoint = endpoint(store.Allocations.ByID(v, s.ID), out.Spec.EndpointSpec)
	return out
}

func updateStatus(r *model.Rollout) *swarm.UpdateStatus {
	if r.State == model.RolloutNone {
		return nil
	}
	return &swarm.UpdateStatus{State: r.State.Swarm(), StartedAt: instant(r.StartedAt), CompletedAt: instant(r.CompletedAt), Message: r.Message}
}

// instant is a time that may not have come.
func instant(ns int64) *time.Time {
	if ns == 0 {
		return nil
	}
	t := time.Unix(0, ns).UTC()
	return &t
}

// endpoint shows the spec only of an endpoint that has something: so does swarm, which allocates no other.
func endpoint(a *model.Allocation, spec *swarm.EndpointSpec) swarm.Endpoint {
	var out swarm.Endpoint
	if a != nil && a.Done {
		out.Ports = a.Ports
		for _, n := range a.Networks {
			out.VirtualIPs = append(out.VirtualIPs, swarm.EndpointVirtualIP{NetworkID: n.NetworkID.String(), Addr: n.Addr})
		}
	}
	if spec != nil && len(out.Ports) == 0 {
		for _, p := range spec.Ports {
			if p.PublishMode == swarm.PortConfigPublishModeHost {
				out.Ports = append(out.Ports, p)
			}
		}
	}
	if spec != nil && (len(out.Ports) > 0 || len(out.VirtualIPs) > 0) {
		out.Spec = *spec
	}
	return out
}

// Replicas is how many tasks a replicated service asks for, one when it does not say; of a job how many at once.
func Replicas(mode swarm.ServiceMode) uint64 {
	switch {
	case mode.ReplicatedJob != nil:
		concurrent, _ := model.JobSize(mode.ReplicatedJob)
		return concurrent
	case mode.Replicated != nil && mode.Replicated.Replicas != nil:
		return *mode.Replicated.Replicas
	case mode.Global == nil && mode.GlobalJob == nil:
		return 1
	}
	return 0
}
