package authority

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

// State is the cluster's state as one manager has it; any manager's will do.
type State interface {
	store.Committer
	// Fresh returns a view that holds everything acknowledged anywhere before the call.
	Fresh(context.Context) (store.View, error)
	// Store is what this manager holds now, which may be older.
	Store() *store.Store
}

// Options are what an [Authority] is made of.
type Options struct {
	State  State
	Env    env.Env
	Logger *slog.Logger
	Leader func() model.ID // the node that leads, as far as is known; nil: not told
	// External has an external authority sign; nil: none can be reached from here.
	External Signer
}

// Signer asks external authorities, one after the other, for a certificate.
type Signer interface {
	Sign(ctx context.Context, urls []string, cert identity.External) ([]byte, error)
}

// Authority answers nodes that join and nodes that need their next certificate. Its methods may be called from anywhere.
type Authority struct{ opt Options }

// New makes an authority.
func New(opt Options) *Authority { return &Authority{opt} }

// defaultExpiry is swarm's own lifetime of node certificates.
const defaultExpiry = 90 * 24 * time.Hour

// tries bounds how often a decision is made anew because what it stood on was changed by another request.
const tries = 5

// Root returns the certificates that the cluster's nodes trust. They are no secret, and who asks cannot be known: so
// they come from what this manager holds, without a word to the others.
func (a *Authority) Root(context.Context) (*wire.RootReply, error) {
	root := store.TheRoot(a.opt.State.Store().View())
	if root == nil {
		return nil, errNoCluster
	}
	return &wire.RootReply{Roots: root.Cert}, nil
}

// Allowed says whether a node may do what needs a role, as far as this manager knows now.
func (a *Authority) Allowed(peer identity.Peer, need model.Role) error {
	return Allowed(a.opt.State.Store().View(), peer, need, a.opt.Env.Now())
}

// Renew certifies a new key of a node that has a certificate.
func (a *Authority) Renew(ctx context.Context, peer identity.Peer, req *wire.RenewRequest) (*wire.RenewReply, error) {
	var reply *wire.RenewReply
	err := a.settle(ctx, func(v store.View) (*store.Batch, error) {
		row, batch, err := a.renewal(ctx, v, peer, req)
		if err != nil {
			return nil, err
		}
		reply = &wire.RenewReply{Cert: row.Cert, Roots: store.TheRoot(v).Cert, Manager: row.Role == model.RoleManager}
		if c := store.TheCluster(v); reply.Manager {
			reply.UnlockKey, reply.UnlockVersion = c.UnlockKey, c.Index
		}
		return batch, nil
	})
	if err != nil {
		return nil, err
	}
	a.opt.Logger.Debug("a node has a new certificate", "node", peer.Node, "manager", reply.GetManager())
	return reply, nil
}

func (a *Authority) renewal(ctx context.Context, v store.View, peer identity.Peer, req *wire.RenewRequest) (*model.NodeIdentity, *store.Batch, error) {
	now := a.opt.Env.Now()
	if err := Allowed(v, peer, model.RoleWorker, now); err != nil {
		return nil, nil, err
	}
	old := store.NodeIdentities.ByID(v, peer.Node)
	row := *old
	if err := a.certify(ctx, v, &row, req.GetCsr(), now); err != nil {
		return nil, nil, err
	}
	return &row, &store.Batch{
		Writer:     store.WriterIdentity,
		Conditions: append(sameAuthority(v), store.NodeIdentities.At(old)),
		Changes:    []store.Change{store.NodeIdentities.Put(&row)},
	}, nil
}

// certify puts a new certificate of the node's granted role into its row.
func (a *Authority) certify(ctx context.Context, v store.View, row *model.NodeIdentity, csr []byte, now time.Time) error {
	key, err := identity.KeyDigest(csr)
	if err != nil {
		return &refusal{text: err.Error(), is: err}
	}
	if other := store.IdentityByKey(v, key); other != nil && other.ID != row.ID {
		return refuse("the key of this certificate request is that of node %s: make a new key", other.ID)
	}
	cert, err := a.sign(ctx, v, row, csr, now)
	if err != nil {
		return fmt.Errorf("certify node %s: %w", row.ID, err)
	}
	row.Cert, row.KeyDigest = cert.Cert, key
	// The certificates before it may run longer, when the lifetime was shortened since.
	row.NotAfter = max(row.NotAfter, cert.NotAfter.UnixNano())
	return nil
}
