package api

import (
	"net/http"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/api/httperr"
	"github.com/skep-org/skep/internal/api/validate"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/model/placement"
	"github.com/skep-org/skep/internal/store"
)

func (s *Server) serviceCreate(r *request) error {
	asked, err := r.serviceSpec()
	if err != nil {
		return err
	}
	return again(func() error { return s.tryCreate(r, asked) })
}

func (s *Server) tryCreate(r *request, asked *askedSpec) error {
	v, m, err := r.view()
	if err != nil {
		return err
	}
	if asked.spec.Name == "" {
		asked.spec.Name = randomName(s.Env, func(name string) bool { return store.ServiceNamed(v, name) != nil })
	}
	conditions, err := asked.check(r, v)
	if err != nil {
		return err
	}
	taken := httperr.Conflict("name conflicts with an existing object: service %s already exists", asked.spec.Name)
	if store.ServiceNamed(v, asked.spec.Name) != nil {
		return taken
	}
	if err := validate.Unsupported(&asked.spec); err != nil {
		return err
	}
	service := &model.Service{ID: s.Env.NewID(), Name: asked.spec.Name}
	ports, err := checkPorts(v, service, &asked.spec)
	if err != nil {
		return err
	}
	conditions = append(conditions, ports...)
	privileges, err := checkPrivileges(v, &asked.spec)
	if err != nil {
		return err
	}
	conditions = append(conditions, privileges...)
	if err := checkDependencies(v, &asked.spec); err != nil {
		return err
	}
	if err := placement.Check(asked.spec.Labels); err != nil {
		return httperr.BadRequest("%s", err)
	}
	revision, warnings, err := s.revision(r, asked, service.ID, r.Header.Get(registryAuth))
	if err != nil {
		return err
	}
	service.Revision = revision.ID
	err = r.commit(m, "service", service.Name, store.Batch{
		Conditions: append(conditions, store.Services.Absent(service.Key())),
		Changes:    []store.Change{store.Revisions.Put(revision), store.Services.Put(service)},
	})
	if httperr.Status(err) == http.StatusConflict {
		return taken // another request was faster
	}
	if err != nil {
		return err
	}
	return r.json(http.StatusCreated, struct {
		ID       string
		Warnings []string `json:"Warnings,omitempty"`
	}{service.ID.String(), append(warnings, networkWarnings(v, &asked.spec)...)})
}

// registryAuth is the header that carries the credentials for pulls.
const registryAuth = "X-Registry-Auth"

// revision makes the row of a checked spec.
func (s *Server) revision(r *request, asked *askedSpec, service model.ID, auth string) (*model.ServiceRevision, []string, error) {
	warnings := validate.Warnings(&asked.spec)
	rev := &model.ServiceRevision{ID: s.Env.NewID(), ServiceID: service, RegistryAuth: auth}
	pinned := asked.spec
	if asked.resolveImage {
		image, warning := s.pin(r, asked.spec.TaskTemplate.ContainerSpec.Image, auth)
		rev.Pinned = image
		if warning != "" {
			warnings = append(warnings, warning)
		}
		if image != "" {
			c := *pinned.TaskTemplate.ContainerSpec
			c.Image = image
			pinned.TaskTemplate.ContainerSpec = &c
		}
	}
	rev.Fingerprint = model.Fingerprint(&pinned)
	var err error
	rev.Spec, err = documentOver(asked.raw, asked.spec)
	return rev, warnings, err
}

// check holds the spec against swarm's rules and the view, and returns the conditions under which what it
// refers to is still there when it is written.
func (a *askedSpec) check(r *request, v store.View) ([]store.Condition, error) {
	conditions, err := a.networks(r, v)
	if err != nil {
		return nil, err
	}
	if err := validate.Service(&a.spec); err != nil {
		return nil, err
	}
	if err := a.noIngress(v); err != nil {
		return nil, err
	}
	files, err := a.files(v)
	return append(conditions, files...), err
}

// noIngress refuses the one network that services do not join by name.
func (a *askedSpec) noIngress(v store.View) error {
	for _, n := range a.spec.TaskTemplate.Networks {
		row := store.Networks.ByID(v, parseID(n.Target))
		if row != nil && row.Spec.Get().Ingress {
			return httperr.BadRequest("Service cannot be explicitly attached to the ingress network %q", row.Name)
		}
	}
	return nil
}

func parseID(text string) model.ID {
	id, err := model.ParseID(text)
	if err != nil {
		return model.ID{}
	}
	return id
}

// askedSpec is a service's spec as a request has it.
type askedSpec struct {
	raw          []byte // what was sent, less the fields newer than the version
	spec         swarm.ServiceSpec
	resolveImage bool
}
