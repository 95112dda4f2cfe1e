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

// bring makes a cluster network on this node's engine for a plain container.
func (s *Server) bring(r *request, row *model.Network) error {
	bringer, can := s.Cluster.(Bringer)
	if !can {
		return httperr.NotImplemented("network %s is not on this node yet: run a service on it first", row.Name)
	}
	net, err := r.allocated(row)
	if err == nil {
		err = bringer.BringNetwork(r.Context(), net)
	}
	if err != nil {
		return httperr.New(http.StatusInternalServerError, "Could not attach to network %s: %s", row.Name, err)
	}
	return nil
}

// allocated describes a network with its subnet, once it has one.
func (r *request) allocated(row *model.Network) (executor.Network, error) {
	ctx, cancel := context.WithTimeout(r.Context(), subnetWait)
	defer cancel()
	poll := time.NewTicker(subnetPoll)
	defer poll.Stop()
	for {
		v, _, err := r.view()
		if err != nil {
			return executor.Network{}, err
		}
		a := store.Allocations.ByID(v, row.ID)
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
