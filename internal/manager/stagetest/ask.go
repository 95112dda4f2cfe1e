package stagetest

import (
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// Spec is the spec last asked of a service, or a new one that a change starts from.
func (w *World) Spec(name string) swarm.ServiceSpec {
	if s := store.ServiceNamed(w.View(), name); s != nil {
		return *store.Revisions.ByID(w.View(), w.shown(s)).Spec.Get()
	}
	spec := swarm.ServiceSpec{}
	spec.Name = name
	spec.TaskTemplate.ContainerSpec = &swarm.ContainerSpec{Image: "app"}
	return spec
}

// shown is the revision the api shows: the active one once the service's ask was taken up.
func (w *World) shown(s *model.Service) model.ID {
	if r := store.Rollouts.ByID(w.View(), s.ID); r != nil && r.AskedIndex == s.Index {
		return r.Active
	}
	return s.Revision
}

// Ask creates or updates a service as the api does.
func (w *World) Ask(spec swarm.ServiceSpec) {
	old := store.ServiceNamed(w.View(), spec.Name)
	rev := &model.ServiceRevision{ID: w.NewID(), Spec: model.DocOf(spec), Fingerprint: model.Fingerprint(&spec)}
	s := &model.Service{ID: w.NewID(), Name: spec.Name}
	if old != nil {
		*s = *old
		s.Previous = w.shown(old)
		if model.IsJob(spec.Mode) {
			s.Iteration++
		}
	} else {
		w.call(s.ID, spec.Name)
	}
	rev.ServiceID, s.Revision, s.Rollback = s.ID, rev.ID, false
	w.number(rev.ID, spec.Name+"@")
	w.Write(store.WriterAPI, store.Revisions.Put(rev), store.Services.Put(s))
}

// Rollback asks for the revision before, as docker service rollback does; it reports whether there is one.
func (w *World) Rollback(name string) bool {
	s := *store.Services.ByID(w.View(), w.ID(name))
	prev := s.Previous
	if r := store.Rollouts.ByID(w.View(), s.ID); r != nil && r.AskedIndex == s.Index {
		prev = r.Previous
	}
	if prev.IsZero() {
		return false
	}
	s.Previous, s.Revision, s.Rollback = w.shown(&s), prev, true
	if model.IsJob(store.Revisions.ByID(w.View(), prev).Spec.Get().Mode) {
		s.Iteration++
	}
	w.Write(store.WriterAPI, store.Services.Put(&s))
	return true
}

// Remove deletes a service.
func (w *World) Remove(name string) {
	w.Write(store.WriterAPI, store.Services.Delete(model.KeyOf(w.ID(name))))
}

// History sets how many tasks of a slot are kept.
func (w *World) History(limit int64) {
	c := *store.TheCluster(w.View())
	spec := *c.Spec.Get()
	spec.Orchestration.TaskHistoryRetentionLimit = &limit
	c.Spec = model.DocOf(spec)
	w.Write(store.WriterAPI, store.Clusters.Put(&c))
}
