package api

import (
	"net/http"
	"strings"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/api/decode"
	"github.com/skep-org/skep/internal/api/find"
	"github.com/skep-org/skep/internal/api/httperr"
	"github.com/skep-org/skep/internal/api/validate"
	"github.com/skep-org/skep/internal/api/versions"
	"github.com/skep-org/skep/internal/store"
)

// serviceSpec reads a service's spec off the request and fills it.
func (r *request) serviceSpec() (*askedSpec, error) {
	body, err := decode.Body(r.Request)
	if err != nil {
		return nil, err
	}
	first, err := decode.First(body)
	if err != nil {
		return nil, err
	}
	a := &askedSpec{raw: versions.Strip(r.version, versions.ServiceSpec, first)}
	if err := decode.JSON(a.raw, &a.spec); err != nil {
		return nil, err
	}
	if len(a.spec.TaskTemplate.Networks) == 0 {
		// Where the networks stood before API 1.25; the types have it no more.
		var older struct {
			Networks []swarm.NetworkAttachmentConfig
		}
		if decode.JSON(a.raw, &older) == nil {
			a.spec.TaskTemplate.Networks = older.Networks
		}
	}
	// Swarm forgets a mount's consistency, which is for Docker's desktops.
	a.raw = versions.Without(a.raw, "Networks", "TaskTemplate.ContainerSpec.Mounts.Consistency")
	if err := validate.Fill(&a.spec); err != nil {
		return nil, err
	}
	// Newer clients ask the registry themselves and send the digest.
	a.resolveImage = r.pinned && r.version.Less(versions.Version{Major: 1, Minor: 30}) &&
		a.spec.TaskTemplate.ContainerSpec != nil
	return a, nil
}

// networks writes the ids of the cluster's networks over whatever they were called. Of the engine's own networks those
// that every engine has keep their names.
func (a *askedSpec) networks(r *request, v store.View) ([]store.Condition, error) {
	var conditions []store.Condition
	targets := a.spec.TaskTemplate.Networks
	for i := range targets {
		row, err := find.Network(v, targets[i].Target)
		switch {
		case err == nil:
			targets[i].Target = row.ID.String()
			conditions = append(conditions, store.Networks.Present(row.Key()))
		case httperr.Status(err) != http.StatusNotFound:
			return nil, err
		case forServices(targets[i].Target):
		default:
			name, err := r.server.serviceNetwork(r, targets[i].Target)
			if err != nil {
				return nil, err
			}
			targets[i].Target = name
		}
	}
	return conditions, nil
}

// forServices are the engines' own networks that services may join: every engine has them.
func forServices(name string) bool { return name == "bridge" || name == "host" }

// serviceNetwork is the name of an engine's network that a service may join, by its id here, or why it may not.
func (s *Server) serviceNetwork(r *request, ref string) (string, error) {
	local := s.localNetwork(r.Context(), ref)
	switch {
	case local != nil && forServices(local.Name):
		return local.Name, nil
	case local != nil && local.Labels[networkLabel] == "" && local.Name != "none":
		return "", httperr.New(http.StatusForbidden, "The network %s cannot be used with services. Only networks scoped to the swarm can be used, such as those created with the overlay driver.", local.Name)
	}
	// Docker answers 500 here.
	return "", httperr.New(http.StatusInternalServerError, "network %s not found", ref)
}

// files checks that the secrets and configs referred to exist, under the names they are referred to by.
func (a *askedSpec) files(v store.View) ([]store.Condition, error) {
	c := a.spec.TaskTemplate.ContainerSpec
	if c == nil {
		return nil, nil
	}
	var conditions []store.Condition
	var missing []string
	for _, ref := range c.Secrets {
		if row := store.Secrets.ByID(v, parseID(ref.SecretID)); row != nil && row.Name == ref.SecretName {
			conditions = append(conditions, store.Secrets.Present(row.Key()))
		} else {
			missing = append(missing, ref.SecretName)
		}
	}
	if len(missing) > 0 {
		return nil, notFound("secret", missing)
	}
	for _, ref := range c.Configs {
		if row := store.Configs.ByID(v, parseID(ref.ConfigID)); row != nil && row.Name == ref.ConfigName {
			conditions = append(conditions, store.Configs.Present(row.Key()))
		} else {
			missing = append(missing, ref.ConfigName)
		}
	}
	if len(missing) > 0 {
		return nil, notFound("config", missing)
	}
	return conditions, nil
}

func notFound(kind string, names []string) error {
	if len(names) > 1 {
		kind += "s"
	}
	return httperr.BadRequest("%s not found: %s", kind, strings.Join(names, ", "))
}
