package node

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/manager/authority"
	"github.com/skep-org/skep/internal/node/address"
	"github.com/skep-org/skep/internal/node/remote"
	"github.com/skep-org/skep/internal/node/vault"
	"github.com/skep-org/skep/internal/wire"
)

// Join takes this node into the cluster of the managers named. Until the managers have written it down nothing is
// changed here; afterwards the node is a member, whatever happens to this request.
func (c *cluster) Join(ctx context.Context, req swarm.JoinRequest) error {
	if !c.changing.TryLock() {
		return errBusy
	}
	defer c.changing.Unlock()
	at, err := c.addresses(ctx, req.ListenAddr, req.AdvertiseAddr, req.DataPathAddr, req.RemoteAddrs...)
	if err != nil {
		return err
	}
	c.setPending(true)
	defer c.setPending(false)
	csr, key, err := identity.NewRequest(c.env.Rand)
	if err != nil {
		return err
	}
	reply, err := c.askToJoin(ctx, req, csr, at.underlay())
	if err != nil {
		return err
	}
	ms := membership{ListenAddr: at.listen.String(), AdvertiseAddr: at.advertise.String(), DataPathAddr: at.dataPath}
	if err := draftJoin(c.cfg.DataDir, c.env, &ms, reply, key); err != nil {
		return err
	}
	if err := c.begin(ctx, ms, reply.GetUnlockKey()); err != nil {
		return c.undo(err)
	}
	c.logger.Info("joined a cluster", "cluster", ms.Cluster, "node", ms.Node, "manager", reply.Manager)
	return nil
}

const (
	// joinTries bounds how often a join is sent again whose connection broke, or that came while too many did.
	joinTries = 5
	joinRetry = time.Second
)

// askToJoin asks the managers named one after the other. A refusal is final. A join whose connection broke is sent again
// with the same key, for it may have made the node: the managers then answer with that one.
func (c *cluster) askToJoin(ctx context.Context, req swarm.JoinRequest, csr []byte, underlay netip.Addr) (*wire.JoinReply, error) {
	if len(req.RemoteAddrs) == 0 {
		return nil, errors.New("no manager's address was given: docker swarm join --token TOKEN ADDRESS:2377")
	}
	ask := &wire.JoinRequest{Token: req.JoinToken, Csr: csr, Availability: string(req.Availability), Clock: c.env.Now().UnixNano()}
	if at, err := underlay.MarshalBinary(); err == nil {
		ask.Underlay = at
	}
	for _, t := range c.HostUses() {
		if prefix, err := t.Prefix.MarshalBinary(); err == nil {
			ask.Taken = append(ask.Taken, &wire.Taken{Prefix: prefix, What: t.What})
		}
	}
	var errs []error
	for range joinTries {
		hopeless := 0
		errs = nil
		for _, addr := range req.RemoteAddrs {
			reply, err := remote.Join(ctx, c.env, address.WithPort(addr), ask)
			if err == nil {
				return reply, nil
			}
			if isWorker(err) {
				err = fmt.Errorf("%s is the address of a worker: join through a manager's, which docker swarm join-token prints: %w", addr, err)
			}
			errs = append(errs, err)
			if errors.Is(err, authority.ErrRefused) || errors.Is(err, remote.ErrTokenDigest) || errors.Is(err, identity.ErrBadToken) {
				return nil, err
			}
			if errors.Is(err, remote.ErrUnreachable) || isWorker(err) {
				hopeless++
			}
		}
		if hopeless == len(req.RemoteAddrs) {
			break
		}
		timer, stop := c.env.NewTimer(joinRetry)
		select {
		case <-timer:
		case <-ctx.Done():
			stop()
			return nil, errors.Join(append(errs, ctx.Err())...)
		}
	}
	return nil, errors.Join(errs...)
}

// isWorker says that whoever was asked is no manager, nor about to be one.
func isWorker(err error) bool {
	return errors.Is(err, remote.ErrNotManager) && !errors.Is(err, remote.ErrStarting)
}

// draftJoin writes what the managers answered, and makes it the node's membership when all of it is there.
func draftJoin(dataDir string, e env.Env, ms *membership, reply *wire.JoinReply, key []byte) (err error) {
	if ms.Node, err = wire.ID(reply.NodeId); err == nil {
		ms.Cluster, err = wire.ID(reply.ClusterId)
	}
	if err != nil {
		return fmt.Errorf("the managers' answer cannot be read: %w", err)
	}
	for _, one := range reply.Managers {
		node, err := wire.ID(one.NodeId)
		if err != nil {
			return fmt.Errorf("the managers' answer cannot be read: %w", err)
		}
		ms.Managers = append(ms.Managers, remote.Manager{Node: node, Addr: one.Addr, Leader: one.Leader})
	}
	dir, err := draftMembership(dataDir)
	if err != nil {
		return err
	}
	v := vault.New(dir, e.Rand)
	if reply.GetManager() {
		err = v.Lock(vault.Lock{Key: reply.GetUnlockKey(), Version: reply.GetUnlockVersion()})
	}
	if err == nil {
		err = v.Save(identity.Keys{Cert: reply.Cert, Key: key, Roots: reply.Roots})
	}
	if err != nil {
		return fmt.Errorf("keep this node's certificate in %s: %w", filepath.Base(dir), err)
	}
	// A manager's log is made by manage, as when the node is promoted later.
	return adoptMembership(dataDir, *ms)
}

// depart takes a manager out of the group before its node leaves. Forced, it leaves whether or not the others answer.
func (m *member) depart(ctx context.Context, force bool) error {
	p := m.manager()
	if p == nil || len(p.managers()) < 2 {
		return nil // a worker, or the last manager: the API has asked for --force
	}
	ctx, cancel := context.WithTimeout(ctx, departWait)
	defer cancel()
	var err error
	for range departTries {
		p.handOver(m.logger)
		if err = p.manager.WaitLeader(ctx); err != nil {
			break
		}
		if err = m.dialer.Depart(ctx, p.leader(), p.raftID, force); err == nil {
			return nil
		}
	}
	if force {
		m.logger.Warn("this manager leaves without the others' consent; remove it there: docker node rm --force", "node", m.membership().Node, "err", err)
		return nil
	}
	return fmt.Errorf("leave the managers' group: %w", err)
}
