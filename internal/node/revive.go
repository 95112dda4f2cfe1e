package node

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/api"
	"github.com/skep-org/skep/internal/api/httperr"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/manager"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/node/address"
	"github.com/skep-org/skep/internal/node/remote"
	"github.com/skep-org/skep/internal/node/vault"
	"github.com/skep-org/skep/internal/store"
)

var _ api.Reviver = (*cluster)(nil)

// ForceNew implements [api.Reviver]: the cluster goes on with this manager alone, from what its own log holds. Until
// that is on disk nothing is changed, and what fails before takes part again as it was.
func (c *cluster) ForceNew(ctx context.Context, req swarm.InitRequest) (string, error) {
	if !c.changing.TryLock() {
		return "", errBusy
	}
	defer c.changing.Unlock()
	m := c.current()
	if m == nil {
		return "", errNoMember
	}
	old := m.membership()
	if !old.Manager {
		return "", httperr.Unavailable("this node is a worker, so it does not hold the cluster's state: run docker swarm init --force-new-cluster on a manager, or restore a backup with skep restore --force")
	}
	at, err := c.revivedAt(ctx, &old, req.ListenAddr, req.AdvertiseAddr, req.DataPathAddr)
	if err != nil {
		return "", err
	}
	c.setPending(true)
	defer c.setPending(false)
	c.end(m)
	s, err := ownState(c.cfg.DataDir, m.vault, c.logger)
	if err != nil {
		return "", c.takePartAgain(ctx, old, m.vault.Unlock(), err)
	}
	r := revival{old: &old, unlock: m.vault.Unlock(), node: old.Node, addresses: at}
	return old.Node.String(), c.revive(ctx, s, r)
}

// Restore implements [api.Reviver]: the cluster goes on with this node as its only manager, from a backup's state.
func (c *cluster) Restore(ctx context.Context, s *store.Store, req api.RestoreRequest) (string, error) {
	if !c.changing.TryLock() {
		return "", errBusy
	}
	defer c.changing.Unlock()
	old, err := readMembership(c.cfg.DataDir)
	if err != nil {
		return "", err
	}
	row := store.TheCluster(s.View())
	switch {
	case row == nil:
		return "", httperr.BadRequest("the backup holds no cluster")
	case old != nil && old.Cluster != row.ID:
		return "", httperr.Unavailable("this node belongs to another cluster, %s, than the backup, %s: let it leave first, with docker swarm leave --force", old.Cluster, row.ID)
	case old != nil && !req.Force:
		return "", httperr.Unavailable("this node is still part of the backup's cluster: --force gives up the state it has for that of the backup")
	}
	at, err := c.revivedAt(ctx, old, req.ListenAddr, req.AdvertiseAddr, "")
	if err != nil {
		return "", err
	}
	c.setPending(true)
	defer c.setPending(false)
	unlock := ""
	if m := c.current(); m != nil {
		c.end(m)
		unlock = m.vault.Unlock()
	}
	r := revival{old: old, unlock: unlock, node: whoRestores(c.env, s.View(), old, at.advertise), addresses: at}
	return r.node.String(), c.revive(ctx, s, r)
}

// revival is a node on its way to be the only manager of a cluster that lost the others.
type revival struct {
	old    *membership // nil: it was no member
	unlock string      // what unlocked it
	node   model.ID
	addresses
}

// whoRestores is the node a restoring one is from now on: the one it was, or the manager that was reached at its
// address, which the other nodes look for there; else a new one.
func whoRestores(e env.Env, v store.View, old *membership, advertise netip.AddrPort) model.ID {
	if old != nil && store.NodeSpecs.ByID(v, old.Node) != nil {
		return old.Node
	}
	for m := range store.Members.All(v) {
		if m.Addr == advertise.String() && store.NodeSpecs.ByID(v, m.NodeID) != nil {
			return m.NodeID
		}
	}
	return e.NewID()
}

// revivedAt is where the node is reached: as the request says, else as before, else as for a new cluster.
func (c *cluster) revivedAt(ctx context.Context, old *membership, listen, advertise, dataPath string) (addresses, error) {
	if old != nil && (listen == "" || listen == address.DefaultListen) {
		listen = old.ListenAddr
	}
	if old != nil {
		advertise, dataPath = cmp.Or(advertise, old.AdvertiseAddr), cmp.Or(dataPath, old.DataPathAddr)
	}
	return c.addresses(ctx, listen, advertise, dataPath)
}

// end ends the node's part in the cluster as a restart of the daemon does: its containers run on.
func (c *cluster) end(m *member) {
	if err := m.stop(context.Canceled); err != nil && !errors.Is(err, context.Canceled) {
		c.logger.Warn("this node's part in the cluster did not end cleanly", "err", err)
	}
	c.set(nil)
}

// takePartAgain goes on as before after why.
func (c *cluster) takePartAgain(ctx context.Context, ms membership, unlock string, why error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readyWait)
	defer cancel()
	if err := c.begin(ctx, ms, unlock); err != nil {
		c.logger.Warn("this node takes part as before, and the cluster does not answer it", "err", err)
	}
	return why
}

// ownState reads what the node's own log holds.
func ownState(dataDir string, v *vault.Vault, logger *slog.Logger) (*store.Store, error) {
	l, err := openLog(dataDir, v, logger)
	if err != nil {
		return nil, err
	}
	s, err := manager.Recall(l)
	return s, errors.Join(err, l.Close())
}

// revive makes s the state of a group of this node alone, and takes part in that. The request's end does not stop it
// half way.
func (c *cluster) revive(ctx context.Context, s *store.Store, r revival) error {
	ctx = context.WithoutCancel(ctx)
	id := c.env.NewID()
	ms := membership{
		Node: r.node, Cluster: store.TheCluster(s.View()).ID, Manager: true, RaftID: binary.BigEndian.Uint64(id[:8]) | 1<<63,
		ListenAddr: r.listen.String(), AdvertiseAddr: r.advertise.String(), DataPathAddr: r.dataPath,
	}
	ms.Managers = []remote.Manager{{Node: ms.Node, Addr: ms.AdvertiseAddr, Leader: true}}
	err := draftRevived(c.cfg.DataDir, c.env, c.logger, s, r, ms)
	if err == nil {
		err = replaceMembership(c.cfg.DataDir, ms)
	}
	if err != nil {
		err = fmt.Errorf("begin the cluster anew: %w", err)
		if r.old == nil {
			return err
		}
		return c.takePartAgain(ctx, *r.old, r.unlock, err)
	}
	if err := c.begin(ctx, ms, store.TheCluster(s.View()).UnlockKey); err != nil && c.current() == nil {
		return c.unrevive(ctx, r, err)
	} else if err != nil {
		return fmt.Errorf("the cluster begins anew with this node, which goes on trying: %w", err)
	}
	c.logger.Info("a cluster begins anew with this node as its only manager", "cluster", ms.Cluster, "node", ms.Node,
		"advertise", r.advertise, "epoch", store.TheCluster(s.View()).Epoch)
	// What the node had before is given up only now.
	return os.RemoveAll(filepath.Join(c.cfg.DataDir, swarmNewDir))
}

// unrevive goes back to what the node was before, as the new cluster cannot be taken part in at all.
func (c *cluster) unrevive(ctx context.Context, r revival, why error) error {
	if r.old == nil {
		return errors.Join(why, dropMembership(c.cfg.DataDir))
	}
	if err := exchangeMembership(c.cfg.DataDir); err != nil {
		return errors.Join(why, err)
	}
	return c.takePartAgain(ctx, *r.old, r.unlock, why)
}
