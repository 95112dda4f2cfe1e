package render

import (
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/manager/roles"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// Nodes renders nodes of one view.
type Nodes struct {
	v     store.View
	group roles.Group
	tls   *swarm.TLSInfo // of a node that is not up to telling; nil until one is met
}

// NewNodes renders nodes of a view; group is the managers with who of them answers.
func NewNodes(v store.View, group roles.Group) *Nodes { return &Nodes{v: v, group: group} }

// silent is what a node is shown to trust that does not tell.
func (r *Nodes) silent(told swarm.TLSInfo) swarm.TLSInfo {
	if r.tls == nil {
		root := store.TheRoot(r.v)
		if root == nil {
			return told
		}
		info := tlsInfo(root.Cert, root.Cert)
		r.tls = &info
	}
	return *r.tls
}

// Node is one node.
func (r *Nodes) Node(n *model.NodeSpec) swarm.Node {
	out := swarm.Node{ID: n.ID.String(), Spec: *n.Spec.Get()}
	out.Meta = swarm.Meta{Version: swarm.Version{Index: n.Index}, CreatedAt: n.CreatedAt(), UpdatedAt: n.UpdatedAt()}
	if out.Spec.Labels == nil {
		out.Spec.Labels = map[string]string{}
	}
	out.Status.State = swarm.NodeStateUnknown
	if s := store.NodeStates.ByID(r.v, n.ID); s != nil {
		out.Description = *s.Description.Get()
		out.Status = swarm.NodeStatus{State: s.State.Swarm(), Message: s.Message, Addr: s.Addr}
		if s.Updated > n.Updated {
			out.UpdatedAt = s.UpdatedAt()
		}
	}
	if out.Description.TLSInfo.TrustRoot == "" {
		out.Description.TLSInfo = r.silent(out.Description.TLSInfo)
	}
	for _, m := range r.group {
		if m.Node == n.ID && !m.Learner {
			out.ManagerStatus = &swarm.ManagerStatus{Leader: m.Leader, Reachability: swarm.ReachabilityReachable, Addr: m.Addr}
			if !m.Active {
				out.ManagerStatus.Reachability = swarm.ReachabilityUnreachable
			}
		}
	}
	return out
}

// Role is the role a node has, not the one asked for it.
func Role(v store.View, id model.ID) swarm.NodeRole {
	if n := store.NodeIdentities.ByID(v, id); n != nil {
		return n.Role.Swarm()
	}
	return swarm.NodeRoleWorker
}

// Managers are the members of the managers' group that vote.
func Managers(v store.View) []swarm.Peer {
	var out []swarm.Peer
	for m := range store.Members.All(v) {
		if !m.Learner {
			out = append(out, swarm.Peer{NodeID: m.NodeID.String(), Addr: m.Addr})
		}
	}
	return out
}

// clusterTLS says which root the cluster's nodes trust, and of which authority their certificates are to be.
func clusterTLS(v store.View) swarm.TLSInfo {
	root := store.TheRoot(v)
	if root == nil {
		return swarm.TLSInfo{}
	}
	return tlsInfo(root.Cert, identity.Issuing(root, store.TheRootSpec(v)).Cert)
}

func tlsInfo(trusted, issuing []byte) swarm.TLSInfo {
	info := swarm.TLSInfo{TrustRoot: string(trusted)}
	if by, err := identity.IssuerOf(issuing); err == nil {
		info.CertIssuerSubject, info.CertIssuerPublicKey = by.Subject, by.PublicKey
	}
	return info
}
