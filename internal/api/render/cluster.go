package render

import (
	"cmp"
	"net/netip"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network"
	"github.com/skep-org/skep/internal/store"
)

// defaultSubnetSize is what a cluster has that says nothing else.
const defaultSubnetSize = 20

// ClusterInfo is the cluster without its tokens.
func ClusterInfo(v store.View, c *model.Cluster) swarm.ClusterInfo {
	out := swarm.ClusterInfo{ID: c.ID.String(), Spec: *c.Spec.Get(), TLSInfo: clusterTLS(v), DefaultAddrPool: c.AddrPools,
		SubnetSize: cmp.Or(c.SubnetSize, defaultSubnetSize), DataPathPort: cmp.Or(c.DataPathPort, network.DefaultPort)}
	out.Meta = swarm.Meta{Version: swarm.Version{Index: c.Index}, CreatedAt: c.CreatedAt(), UpdatedAt: c.UpdatedAt()}
	if out.Spec.Labels == nil {
		out.Spec.Labels = map[string]string{}
	}
	if len(out.DefaultAddrPool) == 0 {
		out.DefaultAddrPool = []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10}), 8)}
	}
	out.RootRotationInProgress = identity.Rotating(store.TheRoot(v), store.TheRootSpec(v))
	// Never shown: the key is secret, and an update with the certificate that was read would be one without its key.
	out.Spec.CAConfig.SigningCAKey, out.Spec.CAConfig.SigningCACert = "", ""
	return out
}

// Swarm is the cluster with its tokens.
func Swarm(v store.View, c *model.Cluster) swarm.Swarm {
	digest := ""
	if root := store.TheRoot(v); root != nil {
		digest = root.Digest
	}
	worker, manager := store.JoinSecrets(v)
	return swarm.Swarm{ClusterInfo: ClusterInfo(v, c), JoinTokens: swarm.JoinTokens{
		Worker: identity.Token(digest, worker), Manager: identity.Token(digest, manager)}}
}

// Secret is one secret, without its data.
func Secret(s *model.Secret) swarm.Secret {
	out := swarm.Secret{ID: s.ID.String(), Spec: *s.Spec.Get()}
	out.Meta = swarm.Meta{Version: swarm.Version{Index: s.Index}, CreatedAt: s.CreatedAt(), UpdatedAt: s.UpdatedAt()}
	out.Spec.Data = nil
	if out.Spec.Labels == nil {
		out.Spec.Labels = map[string]string{}
	}
	return out
}

// Config is one config.
func Config(c *model.Config) swarm.Config {
	out := swarm.Config{ID: c.ID.String(), Spec: *c.Spec.Get()}
	out.Meta = swarm.Meta{Version: swarm.Version{Index: c.Index}, CreatedAt: c.CreatedAt(), UpdatedAt: c.UpdatedAt()}
	if out.Spec.Labels == nil {
		out.Spec.Labels = map[string]string{}
	}
	return out
}
