package authority

import (
	"context"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

// againWithin is how long a join may be sent again with the same key and give the same node.
const againWithin = 10 * time.Minute

// Join takes a node in. addr is where it called from, for the log.
func (a *Authority) Join(ctx context.Context, addr string, req *wire.JoinRequest) (*wire.JoinReply, error) {
	var reply *wire.JoinReply
	err := a.settle(ctx, func(v store.View) (*store.Batch, error) {
		row, batch, err := a.joining(ctx, v, req)
		if err != nil {
			return nil, err
		}
		reply = a.welcome(v, row)
		return batch, nil
	})
	if err != nil {
		a.opt.Logger.Warn("a node did not join", "addr", addr, "err", err)
		return nil, err
	}
	a.opt.Logger.Info("a node joined", "node", model.ID(reply.GetNodeId()), "manager", reply.GetManager(), "addr", addr)
	return reply, nil
}

// joining decides about one join. Without a batch it is one that was sent before.
func (a *Authority) joining(ctx context.Context, v store.View, req *wire.JoinRequest) (*model.NodeIdentity, *store.Batch, error) {
	now := a.opt.Env.Now()
	role, err := roleOf(v, req.GetToken())
	if err != nil {
		return nil, nil, err
	}
	if err := checkClock(time.Unix(0, req.GetClock()), now); err != nil {
		return nil, nil, err
	}
	availability, err := availabilityOf(req.GetAvailability())
	if err != nil {
		return nil, nil, err
	}
	if err := checkIngress(v, req.GetTaken()); err != nil {
		return nil, nil, err
	}
	if err := checkFamily(v, req.GetUnderlay()); err != nil {
		return nil, nil, err
	}
	if old, err := again(v, req.GetCsr(), role, now); old != nil || err != nil {
		return old, nil, err
	}
	row := &model.NodeIdentity{ID: a.opt.Env.NewID(), Role: role}
	if err := a.certify(ctx, v, row, req.GetCsr(), now); err != nil {
		return nil, nil, err
	}
	spec := swarm.NodeSpec{Role: role.Swarm(), Availability: availability}
	spec.Labels = map[string]string{}
	return row, &store.Batch{
		Writer: store.WriterJoin,
		// The token must still be the cluster's when the node comes into being.
		Conditions: append(sameAuthority(v), store.Clusters.At(store.TheCluster(v))),
		Changes: []store.Change{
			store.NodeIdentities.Put(row),
			store.NodeSpecs.Put(&model.NodeSpec{ID: row.ID, Spec: model.DocOf(spec)}),
		},
	}, nil
}

// again finds the node that a join with the same key has made.
func again(v store.View, csr []byte, role model.Role, now time.Time) (*model.NodeIdentity, error) {
	key, err := identity.KeyDigest(csr)
	if err != nil {
		return nil, &refusal{text: err.Error(), is: err}
	}
	old := store.IdentityByKey(v, key)
	switch {
	case old == nil:
		return nil, nil
	case now.Sub(old.CreatedAt()) > againWithin, old.Role != role, store.NodeSpecs.ByID(v, old.ID) == nil:
		return nil, refuse("the key of this certificate request is that of node %s, which joined at %s: make a new key to join as another node", old.ID, stamp(old.CreatedAt()))
	}
	return old, nil
}

// welcome is all a new node needs to take part.
func (a *Authority) welcome(v store.View, row *model.NodeIdentity) *wire.JoinReply {
	c := store.TheCluster(v)
	reply := &wire.JoinReply{
		NodeId: row.ID[:], ClusterId: c.ID[:], Cert: row.Cert, Roots: store.TheRoot(v).Cert,
		Manager: row.Role == model.RoleManager, Epoch: c.Epoch,
	}
	if reply.Manager { // it locks its keys as the other managers do
		reply.UnlockKey, reply.UnlockVersion = c.UnlockKey, c.Index
	}
	var leader model.ID
	if a.opt.Leader != nil {
		leader = a.opt.Leader()
	}
	for m := range store.Members.All(v) {
		if !m.Learner {
			reply.Managers = append(reply.Managers, &wire.Manager{NodeId: m.NodeID[:], Addr: m.Addr, Leader: m.NodeID == leader})
		}
	}
	return reply
}
