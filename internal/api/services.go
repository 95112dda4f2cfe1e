package api

import (
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/api/filters"
	"github.com/skep-org/skep/internal/api/find"
	"github.com/skep-org/skep/internal/api/render"
	"github.com/skep-org/skep/internal/api/versions"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

func (s *Server) serviceList(r *request) error {
	args, err := r.filters("name", "id", "label", "mode", "runtime")
	if err != nil {
		return err
	}
	status, err := r.strictFlag("status")
	if err != nil {
		return err
	}
	v, _, err := r.view()
	if err != nil {
		return err
	}
	status = status && !r.version.Less(versions.Version{Major: 1, Minor: 41})
	out := make([]swarm.Service, 0, store.Services.Len(v))
	for row := range store.Services.All(v) {
		if !args.Prefix("id", row.ID.String()) || !args.Prefix("name", row.Name) {
			continue
		}
		service := render.Service(v, row)
		if !matchService(args, service) {
			continue
		}
		if status {
			service.ServiceStatus = render.Status(v, row, service.Spec.Mode)
		}
		out = append(out, service)
	}
	return r.kind(versions.Service, out)
}

func matchService(args filters.Args, s swarm.Service) bool {
	return args.Labels("label", s.Spec.Labels) && args.Exact("mode", model.ModeName(s.Spec.Mode)) &&
		args.Exact("runtime", string(s.Spec.TaskTemplate.Runtime))
}

func (s *Server) serviceInspect(r *request) error {
	defaults, err := r.strictFlag("insertDefaults")
	if err != nil {
		return err
	}
	v, _, err := r.view()
	if err != nil {
		return err
	}
	row, err := find.Service(v, r.id)
	if err != nil {
		return err
	}
	service := render.Service(v, row)
	if defaults {
		service.Spec = model.Meant(service.Spec)
	}
	return r.kind(versions.Service, service)
}

// serviceRemove removes the service; its revisions go when no task names them any more.
func (s *Server) serviceRemove(r *request) error {
	v, m, err := r.view()
	if err != nil {
		return err
	}
	row, err := find.Service(v, r.id)
	if err != nil {
		return err
	}
	if err := r.commit(m, "service", row.Name, store.Batch{
		Conditions: []store.Condition{store.Services.Present(row.Key())},
		Changes:    []store.Change{store.Services.Delete(row.Key())},
	}); err != nil {
		return err
	}
	return r.ok()
}

// current is the revision that a service's Spec shows.
func current(v store.View, row *model.Service) *model.ServiceRevision {
	now, _ := render.Revisions(v, row)
	return now
}
