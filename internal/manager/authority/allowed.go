package authority

import (
	"time"

	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// Allowed says whether a node may do what needs a role. Its certificate has been verified, but says only what was
// granted when it was issued: the tables say what is granted now. A grant that the certificate does not show yet is
// none: the node renews it first.
//
// A manager that lags may not know a node that has just joined; it says so without [ErrRefused].
func Allowed(v store.View, peer identity.Peer, need model.Role, now time.Time) error {
	c := store.TheCluster(v)
	if c == nil {
		return errNoCluster
	}
	row := store.NodeIdentities.ByID(v, peer.Node)
	switch {
	case peer.Cluster != c.ID:
		return refuse("the certificate is of cluster %s, and this is cluster %s", peer.Cluster, c.ID)
	case now.After(peer.NotAfter):
		return refuse("the certificate of node %s ended %s: let the node leave and join again", peer.Node, stamp(peer.NotAfter))
	case store.Revocations.ByID(v, peer.Node) != nil:
		return &refusal{text: "node " + peer.Node.String() + " was removed from the cluster", is: ErrRemoved}
	case row == nil:
		return &unknown{peer.Node}
	case row.Suspended:
		return refuse("node %s is suspended", peer.Node)
	case need == model.RoleManager && row.Role != model.RoleManager:
		return refuse("node %s is not a manager", peer.Node)
	case need == model.RoleManager && peer.Role != model.RoleManager:
		return refuse("node %s is a manager, and its certificate does not say so yet: it needs a new one", peer.Node)
	}
	return nil
}

// unknown is a node that this manager has not heard of, yet.
type unknown struct{ node model.ID }

func (u *unknown) Error() string {
	return "this manager does not know node " + u.node.String() + " yet; try again shortly"
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
