package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/api"
	"github.com/skep-org/skep/internal/api/httperr"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/manager/authority"
	"github.com/skep-org/skep/internal/node/remote"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

// directory answers workers that ask for a network. It implements [remote.Directory].
type directory struct{ p *part }

var (
	_ remote.Directory = directory{}
	_ api.Directory    = (*cluster)(nil)
)

func (d directory) Network(ctx context.Context, name string) (*wire.Network, error) {
	n, err := api.Attachable(ctx, d.p.front, name)
	switch httperr.Status(err) {
	case http.StatusNotFound:
		return nil, fmt.Errorf("%w: %w", store.ErrNotFound, err)
	case http.StatusForbidden:
		return nil, fmt.Errorf("%w: %w", authority.ErrRefused, err)
	}
	if err != nil {
		return nil, err
	}
	return networkOnWire(n)
}

// AskNetwork implements [api.Directory]: it asks the managers one after the other.
func (c *cluster) AskNetwork(ctx context.Context, name string) (executor.Network, error) {
	m := c.current()
	if m == nil {
		return executor.Network{}, errNoMember
	}
	var errs []error
	for _, to := range m.managers() {
		n, err := m.dialer.Network(ctx, to, name)
		switch {
		case err == nil:
			return networkOffWire(n)
		case errors.Is(err, store.ErrNotFound):
			return executor.Network{}, httperr.NotFound("network %s not found", name)
		case errors.Is(err, authority.ErrRefused):
			return executor.Network{}, httperr.New(http.StatusForbidden, "network %s not manually attachable", name)
		}
		errs = append(errs, err)
	}
	return executor.Network{}, httperr.Unavailable("no manager of the cluster tells what network %s is: %s", name, errors.Join(errs...))
}

func networkOnWire(n executor.Network) (*wire.Network, error) {
	out := &wire.Network{Id: wire.Bytes(n.ID), Name: n.Name}
	var err error
	if out.Spec, err = json.Marshal(n.Spec); err != nil {
		return nil, fmt.Errorf("network %s: %w", n.Name, err)
	}
	if subnet, err := netip.ParsePrefix(n.Subnet); err == nil {
		out.Subnet, _ = subnet.MarshalBinary() // never fails
	}
	if gateway, err := netip.ParseAddr(n.Gateway); err == nil {
		out.Gateway, _ = gateway.MarshalBinary()
	}
	return out, nil
}

func networkOffWire(n *wire.Network) (executor.Network, error) {
	out := executor.Network{Name: n.GetName(), Spec: &swarm.NetworkSpec{}}
	var err error
	if out.ID, err = wire.ID(n.GetId()); err != nil {
		return out, fmt.Errorf("a manager's word on network %s: %w", n.GetName(), err)
	}
	if err := json.Unmarshal(n.Spec, out.Spec); err != nil {
		return out, fmt.Errorf("a manager's word on network %s: %w", n.Name, err)
	}
	var subnet netip.Prefix
	if len(n.Subnet) > 0 && subnet.UnmarshalBinary(n.Subnet) == nil {
		out.Subnet = subnet.String()
	}
	var gateway netip.Addr
	if len(n.Gateway) > 0 && gateway.UnmarshalBinary(n.Gateway) == nil {
		out.Gateway = gateway.String()
	}
	return out, nil
}
