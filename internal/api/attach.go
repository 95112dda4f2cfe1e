package api

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/api/attach"
	"github.com/skep-org/skep/internal/api/decode"
	"github.com/skep-org/skep/internal/api/httperr"
	"github.com/skep-org/skep/internal/executor"
)

// containerCreate passes through. A mount of the Docker socket becomes one of skep's; a cluster network has to
// be one that plain containers may join, is made on this node's engine, and answers the container's questions for names.
func (s *Server) containerCreate(r *request) error {
	body, err := decode.Body(r.Request)
	if err != nil {
		return err
	}
	places := map[string]attach.Place{}
	for _, ref := range attach.Networks(body) {
		net, carrier, err := s.joinable(r, ref)
		if err != nil {
			return err
		}
		if carrier != "" {
			places[ref] = attach.PlaceOf(net)
		}
	}
	if body, err = attach.Create(body, places); err != nil {
		return err
	}
	return s.pass(r, s.Sockets.CreateBody(body))
}

// networkConnect speaks to the engine of the network that carries the cluster's.
func (s *Server) networkConnect(r *request) error {
	body, err := decode.Body(r.Request)
	if err != nil {
		return err
	}
	net, carrier, err := s.joinable(r, r.id)
	if err != nil {
		return err
	}
	// Without the container the engine says so: it looks for it first.
	if carrier == "" && s.active() && !s.engineHas(r.Context(), r.id) && s.engineRuns(r.Context(), body) {
		return httperr.NotFound("Could not attach to network %s: network %s not found", r.id, r.id)
	}
	if carrier != "" {
		if body, err = attach.Connect(body, attach.PlaceOf(net)); err != nil {
			return err
		}
		r.retarget(carrier)
	}
	return s.pass(r, body)
}

// networkDisconnect asks no manager: a container can be taken off a network that the cluster has no more.
func (s *Server) networkDisconnect(r *request) error {
	if local := s.localNetwork(r.Context(), r.id); local == nil && s.active() {
		if carrier := s.carrierNamed(r, r.id); carrier != "" {
			r.retarget(carrier)
		}
	}
	return s.forward(r)
}

// retarget makes the request one for another network of the engine's.
func (r *request) retarget(network string) {
	out := r.Clone(r.Context())
	out.URL.Path = strings.Replace(out.URL.Path, "/networks/"+r.id+"/", "/networks/"+network+"/", 1)
	out.URL.RawPath = ""
	r.Request = out
}

// joinable returns the cluster network ref, and the engine's network that carries it here; neither for one of the
// engine's own; or why a plain container may not join it.
func (s *Server) joinable(r *request, ref string) (executor.Network, string, error) {
	none, asked := executor.Network{}, ref
	if !s.active() {
		return none, "", nil
	}
	// The engine's own networks are joined whatever has become of the managers.
	if local := s.localNetwork(r.Context(), ref); local != nil {
		ref = local.Labels[networkLabel]
		if ref == "" {
			return none, "", nil
		}
	}
	net, err := s.attachable(r, ref)
	switch {
	case httperr.Status(err) == http.StatusNotFound:
		return none, "", nil // nor the engine's: it will say so
	case err != nil:
		return none, "", httperr.New(httperr.Status(err), "Could not attach to network %s: %s", asked, err)
	}
	if err := s.bring(r, net); err != nil {
		return none, "", err
	}
	carrier := s.carrier(r, net.ID)
	if carrier == "" {
		return none, "", httperr.New(http.StatusInternalServerError, "Could not attach to network %s: the engine has removed it again", net.Name)
	}
	return net, carrier, nil
}

// attachable asks the managers, of which this node may be one.
func (s *Server) attachable(r *request, ref string) (executor.Network, error) {
	if m := s.Cluster.Manager(); m != nil {
		return Attachable(r.Context(), m, ref)
	}
	if d, can := s.Cluster.(Directory); can {
		return d.AskNetwork(r.Context(), ref)
	}
	return executor.Network{}, httperr.NotFound("network %s not found", ref)
}

// active says whether this node is in a cluster, as manager or worker.
func (s *Server) active() bool { return s.Cluster.State().Local == swarm.LocalNodeStateActive }

// localNetwork is what the engine has under just that name or id, or nil.
func (s *Server) localNetwork(ctx context.Context, ref string) *engineNetwork {
	var found engineNetwork
	err := s.askEngine(ctx, "/networks/"+url.PathEscape(ref), nil, &found)
	if err != nil || found.Name != ref && found.ID != ref {
		return nil
	}
	return &found
}

// engineHas says whether the engine finds a network, by the beginning of its id too.
func (s *Server) engineHas(ctx context.Context, ref string) bool {
	var found engineNetwork
	return httperr.Status(s.askEngine(ctx, "/networks/"+url.PathEscape(ref), nil, &found)) != http.StatusNotFound
}

// engineRuns says whether the engine has the container that a request to connect one names.
func (s *Server) engineRuns(ctx context.Context, body []byte) bool {
	var asked, found struct{ Container string }
	return json.Unmarshal(body, &asked) == nil && s.askEngine(ctx, "/containers/"+url.PathEscape(asked.Container)+"/json", nil, &found) == nil
}

// engineNetwork is what is read of one of the engine's networks.
type engineNetwork struct {
	ID, Name string `json:",omitempty"`
	Labels   map[string]string
}
