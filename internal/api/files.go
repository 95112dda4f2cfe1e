package api

import (
	"bytes"
	"maps"
	"net/http"
	"strings"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/api/find"
	"github.com/skep-org/skep/internal/api/httperr"
	"github.com/skep-org/skep/internal/api/render"
	"github.com/skep-org/skep/internal/api/validate"
	"github.com/skep-org/skep/internal/api/versions"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// Swarm's limits.
const (
	maxSecret = 500 << 10
	maxConfig = 1000 << 10
)

func checkData(kind string, data []byte, limit int) error {
	if len(data) == 0 || len(data) >= limit {
		return httperr.BadRequest("%s data must be larger than 0 and less than %d bytes", kind, limit)
	}
	return nil
}

// onlyLabels refuses an update of anything else: what a running task read must not change under its name.
func onlyLabels(name, newName string, data, newData []byte, sameDrivers bool) error {
	if newName != name || len(newData) > 0 && !bytes.Equal(data, newData) || !sameDrivers {
		return httperr.BadRequest("only updates to Labels are allowed")
	}
	return nil
}

func (s *Server) secretList(r *request) error {
	args, err := r.filters("names", "name", "id", "label")
	if err != nil {
		return err
	}
	v, _, err := r.view()
	if err != nil {
		return err
	}
	return list(r, versions.Secret, func(yield func(swarm.Secret) bool) {
		for row := range store.Secrets.All(v) {
			if args.Exact("names", row.Name) && args.Prefix("name", row.Name) && args.Prefix("id", row.ID.String()) &&
				args.Labels("label", row.Spec.Get().Labels) && !yield(render.Secret(row)) {
				return
			}
		}
	})
}

func (s *Server) secretCreate(r *request) error {
	var spec swarm.SecretSpec
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
	if spec.Driver != nil {
		spec.Data = nil // the driver's to keep
		if err := s.checkDriver(r, spec.Driver); err != nil {
			return err
		}
	} else if err := checkData("secret", spec.Data, maxSecret); err != nil {
		return err
	}
	if store.SecretNamed(v, spec.Name) != nil {
		return httperr.Conflict("secret %s already exists", spec.Name)
	}
	doc, err := documentOver(raw, spec)
	if err != nil {
		return err
	}
	row := &model.Secret{ID: s.Env.NewID(), Name: spec.Name, Spec: doc}
	if err := r.commit(m, "secret", spec.Name, store.Batch{Changes: []store.Change{store.Secrets.Put(row)}}); err != nil {
		return err
	}
	return r.json(http.StatusCreated, swarm.SecretCreateResponse{ID: row.ID.String()})
}

func (s *Server) secretInspect(r *request) error {
	v, _, err := r.view()
	if err != nil {
		return err
	}
	row, err := find.Secret(v, r.id)
	if err != nil {
		return err
	}
	return r.json(http.StatusOK, render.Secret(row))
}

func (s *Server) secretUpdate(r *request) error {
	var spec swarm.SecretSpec
	if _, err := r.decode(&spec); err != nil {
		return err
	}
	version, err := r.versionOf("secret")
	if err != nil {
		return httperr.BadRequest("invalid secret version")
	}
	v, m, err := r.view()
	if err != nil {
		return err
	}
	old, err := find.Secret(v, r.id)
	if err != nil {
		return err
	}
	kept := *old.Spec.Get()
	if err := onlyLabels(old.Name, spec.Name, kept.Data, spec.Data, sameDriver(kept.Driver, spec.Driver) && sameDriver(kept.Templating, spec.Templating)); err != nil {
		return err
	}
	if old.Index != version {
		return httperr.New(http.StatusInternalServerError, "update out of sequence")
	}
	kept.Labels = spec.Labels
	next := &model.Secret{ID: old.ID, Name: old.Name, Spec: model.DocOf(kept)}
	if err := r.commit(m, "secret", old.Name, store.Batch{
		Conditions: []store.Condition{store.Secrets.At(old)},
		Changes:    []store.Change{store.Secrets.Put(next)},
	}); err != nil {
		return err
	}
	return r.ok()
}

// sameDriver lets an update leave a driver out.
func sameDriver(old, updated *swarm.Driver) bool {
	return updated == nil || old != nil && old.Name == updated.Name && maps.Equal(old.Options, updated.Options)
}

func (s *Server) secretRemove(r *request) error {
	v, m, err := r.view()
	if err != nil {
		return err
	}
	row, err := find.Secret(v, r.id)
	if err != nil {
		return err
	}
	use := usersOf(v, refersToSecret(row.ID))
	if len(use.services) > 0 {
		return inUseError("secret", row.Name, use.services)
	}
	if vol := store.VolumeWithSecret(v, row.ID); vol != nil {
		return httperr.BadRequest("secret '%s' is in use by cluster volume %s", row.Name, vol.Name)
	}
	b := store.Batch{Conditions: []store.Condition{store.Secrets.At(row), store.Secrets.Unused(row.Key())}, Changes: []store.Change{store.Secrets.Delete(row.Key())}}
	if err := r.commit(m, "secret", row.Name, b); err != nil {
		return err
	}
	r.w.WriteHeader(http.StatusNoContent)
	return nil
}

func inUseError(kind, name string, services []string) error {
	noun := "service"
	if len(services) > 1 {
		noun = "services"
	}
	return httperr.BadRequest("%s '%s' is in use by the following %s: %s", kind, name, noun, strings.Join(services, ", "))
}
