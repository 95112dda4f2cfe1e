package api

import (
	"context"
	"net/http"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/api/httperr"
)

// SecretDrivers is a Cluster whose managers can ask the drivers that keep secrets.
type SecretDrivers interface {
	// FindSecretDriver fails if this node has no such driver; the words are the caller's.
	FindSecretDriver(ctx context.Context, name string) error
}

// checkDriver refuses a driver that there is none of, in swarm's words.
func (s *Server) checkDriver(r *request, d *swarm.Driver) error {
	if d.Name == "" {
		return httperr.BadRequest("secret driver must have a name")
	}
	drivers, can := s.Cluster.(SecretDrivers)
	if !can {
		return httperr.NotImplemented("secrets kept by a secret driver are not supported by this version of skep")
	}
	ctx, cancel := context.WithTimeout(r.Context(), engineLimit)
	defer cancel()
	if err := drivers.FindSecretDriver(ctx, d.Name); err != nil {
		return httperr.New(http.StatusInternalServerError, "%s", err)
	}
	return nil
}
