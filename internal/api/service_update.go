package api

import (
	"errors"
	"net/http"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/api/find"
	"github.com/skep-org/skep/internal/api/httperr"
	"github.com/skep-org/skep/internal/api/render"
	"github.com/skep-org/skep/internal/api/validate"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/model/placement"
	"github.com/skep-org/skep/internal/store"
)

func (s *Server) serviceUpdate(r *request) error {
	asked, err := r.serviceSpec()
	if err != nil {
		return err
	}
	version, err := r.versionOf("service")
	if err != nil {
		return err
	}
	rollback := false
	switch option := r.URL.Query().Get("rollback"); option {
	case "", "none": // newer clients say the latter
	case "previous":
		rollback = true
	default:
		return httperr.New(http.StatusInternalServerError, "unrecognized rollback option %s", option)
	}
	return again(func() error { return s.tryUpdate(r, asked, version, rollback) })
}

// raceTries bounds how often a request starts over because something else was written meanwhile: the service's rollout
// went a step on, another service took a port. If it is the service itself that changed, or the port is still taken, the
// next look says so.
const raceTries = 10

// again tries a change, which looks at the present state each time, until it fails for another reason than a race or is made.
func again(change func() error) error {
	for try := 1; ; try++ {
		if err := change(); !errors.Is(err, errRaced) || try == raceTries {
			return err
		}
	}
}

func (s *Server) tryUpdate(r *request, asked *askedSpec, version uint64, rollback bool) error {
	v, m, err := r.view()
	if err != nil {
		return err
	}
	old, err := find.Service(v, r.id)
	if err != nil {
		return err
	}
	now, before := render.Revisions(v, old)
	auth, err := r.credentials(now, before)
	if err != nil {
		return err
	}
	conditions, err := asked.check(r, v)
	if err != nil {
		return err
	}
	if err := allowed(v, old, now, version, &asked.spec); err != nil {
		return err
	}
	next := &model.Service{ID: old.ID, Name: old.Name, Previous: now.ID, Rollback: rollback}
	if model.IsJob(now.Spec.Get().Mode) {
		next.Iteration = old.Iteration + 1 // whatever is asked of a job, it runs anew
	}
	batch := store.Batch{Conditions: append(conditions, store.Services.At(old), store.Revisions.Present(now.Key()))}
	if rollout := store.Rollouts.ByID(v, old.ID); rollout != nil {
		batch.Conditions = append(batch.Conditions, store.Rollouts.At(rollout))
	}
	var warnings []string
	wanted := &asked.spec
	if next.Rollback {
		if before == nil {
			return httperr.BadRequest("service %s does not have a previous spec", old.ID)
		}
		next.Revision = before.ID
		batch.Conditions = append(batch.Conditions, store.Revisions.Present(before.Key()))
		wanted = before.Spec.Get()
	} else {
		if err := validate.Unsupported(&asked.spec); err != nil {
			return err
		}
		revision, said, err := s.revision(r, asked, old.ID, auth)
		if err != nil {
			return err
		}
		warnings = said
		next.Revision = revision.ID
		batch.Changes = append(batch.Changes, store.Revisions.Put(revision))
	}
	if !samePorts(wanted, now.Spec.Get()) {
		ports, err := checkPorts(v, old, wanted)
		if err != nil {
			return err
		}
		batch.Conditions = append(batch.Conditions, ports...)
	}
	privileges, err := checkPrivileges(v, wanted)
	if err != nil {
		return err
	}
	batch.Conditions = append(batch.Conditions, privileges...)
	if err := checkDependencies(v, wanted); err != nil {
		return err
	}
	if err := placement.Check(wanted.Labels); err != nil {
		return httperr.BadRequest("%s", err)
	}
	batch.Changes = append(batch.Changes, store.Services.Put(next))
	if err := r.commit(m, "service", old.Name, batch); err != nil {
		return err
	}
	return r.json(http.StatusOK, swarm.ServiceUpdateResponse{Warnings: append(warnings, networkWarnings(v, wanted)...)})
}

// allowed refuses updates that come too late or ask for what cannot change.
func allowed(v store.View, old *model.Service, now *model.ServiceRevision, version uint64, spec *swarm.ServiceSpec) error {
	switch {
	case now == nil:
		return httperr.New(http.StatusInternalServerError, "service %s has no spec", old.ID)
	case version != render.Version(v, old):
		return httperr.New(http.StatusInternalServerError, "update out of sequence")
	case spec.Name != old.Name:
		return httperr.NotImplemented("renaming services is not supported")
	case model.ModeName(spec.Mode) != model.ModeName(now.Spec.Get().Mode):
		return httperr.NotImplemented("service mode change is not allowed")
	}
	return nil
}

// credentials are those sent along, else those of the revision the request names.
func (r *request) credentials(now, before *model.ServiceRevision) (string, error) {
	if auth := r.Header.Get(registryAuth); auth != "" {
		return auth, nil
	}
	from := now
	switch r.URL.Query().Get("registryAuthFrom") {
	case "", "spec":
	case "previous-spec":
		from = before
	default:
		return "", httperr.New(http.StatusInternalServerError, "unsupported registryAuthFrom value")
	}
	if from == nil {
		return "", httperr.New(http.StatusInternalServerError, "service does not have a previous spec")
	}
	return from.RegistryAuth, nil
}
