package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/api"
	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/node/address"
	"github.com/skep-org/skep/internal/node/remote"
)

var _ api.Finder = (*cluster)(nil)

// findPoll is how often it is looked whether the managers that were found have taken the node's agent in.
const findPoll = 100 * time.Millisecond

// Find implements [api.Finder]: a worker whose managers are gone from where it knew them is told where they are now. It
// is the node it was, and its containers run on.
func (c *cluster) Find(ctx context.Context, req swarm.JoinRequest) (bool, error) {
	m := c.current()
	if m == nil || m.failure() != nil || m.membership().Manager || m.sessions.Connected() {
		return false, nil
	}
	digest, _, err := identity.ParseToken(req.JoinToken)
	if err != nil || digest != identity.Digest(m.keys.Keys().Roots) {
		return false, nil // of another cluster
	}
	found, err := m.reach(ctx, req.RemoteAddrs)
	if err != nil {
		return true, err
	}
	m.heard(append(found, m.membership().Managers...))
	ctx, cancel := context.WithTimeout(ctx, readyWait)
	defer cancel()
	for !m.sessions.Connected() {
		timer, stop := c.env.NewTimer(findPoll)
		select {
		case <-timer:
		case <-ctx.Done():
			stop()
			return true, fmt.Errorf("the cluster's managers are noted, but have not taken this node in yet, which goes on trying: if they do not know it, let it leave and join: %w", ctx.Err())
		}
	}
	c.logger.Info("the cluster's managers were found at another address", "managers", req.RemoteAddrs)
	return true, nil
}

// reach returns those of the addresses at which a manager of this node's cluster proves to be one.
func (m *member) reach(ctx context.Context, addrs []string) ([]remote.Manager, error) {
	var found []remote.Manager
	var errs []error
	for _, addr := range addrs {
		to := remote.Manager{Addr: address.WithPort(addr)}
		if err := m.dialer.Reach(ctx, to); err != nil {
			errs = append(errs, err)
			continue
		}
		found = append(found, to)
	}
	if len(found) == 0 {
		return nil, errors.Join(append(errs, errors.New("no manager of this node's cluster was found there"))...)
	}
	return found, nil
}
