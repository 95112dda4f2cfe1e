package api

import (
	"iter"
	"slices"

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
	var counts *render.Counts
	switch {
	case !status:
	case len(args) == 0:
		counts = render.CountAll(v)
	default:
		counts = render.NewCounts(v)
	}
	return list(r, versions.Service, func(yield func(swarm.Service) bool) {
		for row := range servicesAsked(v, args) {
			if !matchService(v, args, row) {
				continue
			}
			service := render.Service(v, row)
			if counts != nil {
				service.ServiceStatus = counts.Status(row)
			}
			if !yield(service) {
				return
			}
		}
	})
}

// servicesAsked yields the services that may match, by id: all of them, or those that an index tells by id or name.
func servicesAsked(v store.View, args filters.Args) iter.Seq[*model.Service] {
	if len(args["id"]) > 0 || len(args["name"]) != 1 {
		return find.Prefixed(v, store.Services, args["id"])
	}
	rows := slices.Collect(store.ServicesBeginning(v, args["name"][0]))
	slices.SortFunc(rows, func(a, b *model.Service) int { return a.ID.Compare(b.ID) })
	return slices.Values(rows)
}

// matchService holds a service against the filters but that of ids.
func matchService(v store.View, args filters.Args, row *model.Service) bool {
	if !args.Prefix("name", row.Name) {
		return false
	}
	if len(args["label"])+len(args["mode"])+len(args["runtime"]) == 0 {
		return true
	}
	var spec swarm.ServiceSpec
	if now := current(v, row); now != nil {
		spec = *now.Spec.Get()
	}
	return args.Labels("label", spec.Labels) && args.Exact("mode", model.ModeName(spec.Mode)) &&
		args.Exact("runtime", string(spec.TaskTemplate.Runtime))
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
