package api

import (
	"context"
	"net/http"
	"time"

	"github.com/skep-org/skep/internal/api/httperr"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

const (
	// subnetWait bounds how long a plain container waits for the subnet of a network just created.
	subnetWait = 10 * time.Second
	// subnetPoll is how often it looks meanwhile.
	subnetPoll = 50 * time.Millisecond
)

// Attachable describes the network of that name, or id, once it has its subnet; a plain container may join it. Errors
// are an httperr.Error: 404 there is none, 403 it is for services only.
func Attachable(ctx context.Context, m Manager, name string) (executor.Network, error) {
	ctx, cancel := context.WithTimeout(ctx, subnetWait)
	defer cancel()
	v, err := m.Fresh(ctx)
	if err != nil {
		return executor.Network{}, unreadable(err)
	}
	row := exactNetwork(v, name)
	switch {
	case row == nil:
		return executor.Network{}, httperr.NotFound("network %s not found", name)
	case !row.Spec.Get().Attachable:
		return executor.Network{}, httperr.New(http.StatusForbidden, "network %s not manually attachable", row.Name)
	}
	return allocated(ctx, m, row)
}

// allocated describes a network with its subnet, once it has one.
func allocated(ctx context.Context, m Manager, row *model.Network) (executor.Network, error) {
	poll := time.NewTicker(subnetPoll)
	defer poll.Stop()
	for {
		v, err := m.Fresh(ctx)
		if err != nil && ctx.Err() == nil {
			return executor.Network{}, unreadable(err)
		}
		var a *model.Allocation
		if err == nil {
			a = store.Allocations.ByID(v, row.ID)
		}
		if a != nil && a.Done {
			net := executor.Network{ID: row.ID, Name: row.Name, Spec: row.Spec.Get()}
			if len(a.Networks) > 0 {
				net.Subnet, net.Gateway = a.Networks[0].Addr.String(), a.Networks[0].Gateway.String()
			}
			return net, nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			if a != nil && a.Err != "" {
				return executor.Network{}, httperr.BadRequest("it has no subnet: %s", a.Err)
			}
			return executor.Network{}, httperr.Unavailable("the managers have given it no subnet yet: try again in a moment")
		}
	}
}

// bring makes a cluster network on this node's engine for a plain container, where it is missing. It stays until the request
// is answered: the managers' word that no task needs it may come between this and the engine's answer.
func (s *Server) bring(r *request, net executor.Network) error {
	bringer, can := s.Cluster.(Bringer)
	if !can {
		return httperr.NotImplemented("network %s is not on this node yet: run a service on it first", net.Name)
	}
	release, err := bringer.BringNetwork(r.Context(), net)
	if err != nil {
		return httperr.New(http.StatusInternalServerError, "Could not attach to network %s: %s", net.Name, err)
	}
	r.after = append(r.after, release)
	return nil
}
