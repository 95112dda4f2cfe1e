package api

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/skep-org/skep/internal/api/decode"
	"github.com/skep-org/skep/internal/api/httperr"
	"github.com/skep-org/skep/internal/model"
)

// containerCreate passes through. A mount of the Docker socket becomes one of skep's; a cluster network has to
// be one that plain containers may join.
func (s *Server) containerCreate(r *request) error {
	body, err := decode.Body(r.Request)
	if err != nil {
		return err
	}
	for _, ref := range networksOf(body) {
		if _, err := s.joinable(r, ref); err != nil {
			return err
		}
	}
	return s.pass(r, s.Sockets.CreateBody(body))
}

// networksOf are the networks a new container is to join. A body that cannot be read names none: the engine
// will refuse it in its own words.
func networksOf(body []byte) []string {
	var c struct {
		HostConfig       struct{ NetworkMode string }
		NetworkingConfig struct{ EndpointsConfig map[string]json.RawMessage }
	}
	if json.Unmarshal(body, &c) != nil {
		return nil
	}
	names := slices.Sorted(maps.Keys(c.NetworkingConfig.EndpointsConfig))
	if c.HostConfig.NetworkMode != "" {
		names = append(names, c.HostConfig.NetworkMode)
	}
	return names
}

// joinable returns the engine's network that carries the cluster network ref here, "" for one of the engine's
// own, or why a plain container may not join it.
func (s *Server) joinable(r *request, ref string) (string, error) {
	row, err := s.clusterNetwork(r, ref)
	if err != nil || row == nil {
		return "", err
	}
	if !row.Spec.Get().Attachable {
		return "", httperr.New(http.StatusForbidden, "Could not attach to network %s: network %s not manually attachable", row.Name, row.Name)
	}
	if carrier := s.carrier(r, row.ID); carrier != "" {
		return carrier, nil
	}
	if err := s.bring(r, row); err != nil {
		return "", err
	}
	if carrier := s.carrier(r, row.ID); carrier != "" {
		return carrier, nil
	}
	return "", httperr.New(http.StatusInternalServerError, "Could not attach to network %s: the engine has removed it again", row.Name)
}

func (s *Server) clusterNetwork(r *request, ref string) (*model.Network, error) {
	if !s.clustered() {
		return nil, nil
	}
	v, _, err := r.view()
	if err != nil {
		return nil, err
	}
	return exactNetwork(v, ref), nil
}

// networkConnect, and disconnect, speak to the engine of the network that carries the cluster's.
func (s *Server) networkConnect(r *request) error {
	carrier, err := s.joinable(r, r.id)
	if err != nil {
		return err
	}
	if carrier != "" {
		out := r.Clone(r.Context())
		out.URL.Path = strings.Replace(out.URL.Path, "/networks/"+r.id+"/", "/networks/"+carrier+"/", 1)
		out.URL.RawPath = ""
		r.Request = out
	}
	return s.forward(r)
}
