package api

import (
	"net/http"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/api/httperr"
	"github.com/skep-org/skep/internal/identity"
)

func (s *Server) swarmJoin(r *request) error {
	var req swarm.JoinRequest
	if _, err := r.decode(&req); err != nil {
		return err
	}
	if local := s.Cluster.State().Local; local != swarm.LocalNodeStateInactive {
		return s.swarmFind(r, req, local)
	}
	if err := checkJoin(&req); err != nil {
		return err
	}
	joiner, can := s.Cluster.(Joiner)
	if !can {
		return httperr.NotImplemented("joining a cluster is not supported by this version of skep: it runs clusters of one node")
	}
	if err := joiner.Join(r.Context(), req); err != nil {
		return err
	}
	return r.ok()
}

// swarmFind answers a node that is a member already. One that has lost its managers is told by the same command where
// they are now; Docker would have it leave first, and so lose its containers.
func (s *Server) swarmFind(r *request, req swarm.JoinRequest, local swarm.LocalNodeState) error {
	finder, can := s.Cluster.(Finder)
	if !can || local != swarm.LocalNodeStateActive {
		return httperr.Unavailable(alreadyMember)
	}
	found, err := finder.Find(r.Context(), req)
	switch {
	case err != nil:
		return err
	case !found:
		return httperr.Unavailable(alreadyMember)
	}
	return r.ok()
}

// checkJoin refuses, in Docker's words, what no cluster could answer.
func checkJoin(req *swarm.JoinRequest) error {
	if req.ListenAddr == "" {
		return httperr.BadRequest(`invalid ListenAddr "": invalid empty address`)
	}
	if len(req.RemoteAddrs) == 0 {
		return httperr.BadRequest("at least 1 RemoteAddr is required to join")
	}
	for _, addr := range req.RemoteAddrs {
		if addr == "" {
			return httperr.BadRequest(`invalid remoteAddr "": invalid empty address`)
		}
	}
	if err := checkAvailability(req.Availability); err != nil {
		return err
	}
	if _, _, err := identity.ParseToken(req.JoinToken); err != nil {
		return httperr.New(http.StatusInternalServerError, "invalid join token")
	}
	return nil
}
