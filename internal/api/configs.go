package api

import (
	"net/http"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/api/find"
	"github.com/skep-org/skep/internal/api/httperr"
	"github.com/skep-org/skep/internal/api/render"
	"github.com/skep-org/skep/internal/api/validate"
	"github.com/skep-org/skep/internal/api/versions"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

func (s *Server) configList(r *request) error {
	args, err := r.filters("name", "id", "label")
	if err != nil {
		return err
	}
	v, _, err := r.view()
	if err != nil {
		return err
	}
	return list(r, versions.Config, func(yield func(swarm.Config) bool) {
		for row := range store.Configs.All(v) {
			if args.Prefix("name", row.Name) && args.Prefix("id", row.ID.String()) &&
				args.Labels("label", row.Spec.Get().Labels) && !yield(render.Config(row)) {
				return
			}
		}
	})
}

func (s *Server) configCreate(r *request) error {
	var spec swarm.ConfigSpec
	raw, err := r.decode(&spec)
	if err != nil {
		return err
	}
	v, m, err := r.view()
	if err != nil {
		return err
	}
	if err := validate.FileName(spec.Name); err != nil {
		return err
	}
	if err := checkData("config", spec.Data, maxConfig); err != nil {
		return err
	}
	if store.ConfigNamed(v, spec.Name) != nil {
		return httperr.Conflict("config %s already exists", spec.Name)
	}
	doc, err := documentOver(raw, spec)
	if err != nil {
		return err
	}
	row := &model.Config{ID: s.Env.NewID(), Name: spec.Name, Spec: doc}
	if err := r.commit(m, "config", spec.Name, store.Batch{Changes: []store.Change{store.Configs.Put(row)}}); err != nil {
		return err
	}
	return r.json(http.StatusCreated, swarm.ConfigCreateResponse{ID: row.ID.String()})
}

func (s *Server) configInspect(r *request) error {
	v, _, err := r.view()
	if err != nil {
		return err
	}
	row, err := find.Config(v, r.id)
	if err != nil {
		return err
	}
	return r.json(http.StatusOK, render.Config(row))
}

func (s *Server) configUpdate(r *request) error {
	var spec swarm.ConfigSpec
	if _, err := r.decode(&spec); err != nil {
		return err
	}
	version, err := r.versionOf("config")
	if err != nil {
		return httperr.BadRequest("invalid config version")
	}
	v, m, err := r.view()
	if err != nil {
		return err
	}
	old, err := find.Config(v, r.id)
	if err != nil {
		return err
	}
	kept := *old.Spec.Get()
	if err := onlyLabels(old.Name, spec.Name, kept.Data, spec.Data, sameDriver(kept.Templating, spec.Templating)); err != nil {
		return err
	}
	if old.Index != version {
		return httperr.New(http.StatusInternalServerError, "update out of sequence")
	}
	kept.Labels = spec.Labels
	next := &model.Config{ID: old.ID, Name: old.Name, Spec: model.DocOf(kept)}
	if err := r.commit(m, "config", old.Name, store.Batch{
		Conditions: []store.Condition{store.Configs.At(old)},
		Changes:    []store.Change{store.Configs.Put(next)},
	}); err != nil {
		return err
	}
	return r.ok()
}

func (s *Server) configRemove(r *request) error {
	v, m, err := r.view()
	if err != nil {
		return err
	}
	row, err := find.Config(v, r.id)
	if err != nil {
		return err
	}
	use := usersOf(v, refersToConfig(row.ID))
	if len(use.services) > 0 {
		return inUseError("config", row.Name, use.services)
	}
	b := store.Batch{Conditions: []store.Condition{store.Configs.At(row), store.Configs.Unused(row.Key())}, Changes: []store.Change{store.Configs.Delete(row.Key())}}
	if err := r.commit(m, "config", row.Name, b); err != nil {
		return err
	}
	r.w.WriteHeader(http.StatusNoContent)
	return nil
}
