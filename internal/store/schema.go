package store

import (
	"bytes"
	"cmp"
	"net/netip"
	"strings"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/model/privilege"
)

// The tables, by their numbers in the log. A number is never reused.
var (
	Clusters = define(1, "cluster", WriterAPI, func(k model.Key) *model.Cluster { return &model.Cluster{ID: k.A} },
		id(1, func(r *model.Cluster) *model.ID { return &r.ID }),
		document(2, func(r *model.Cluster) *model.Doc[swarm.Spec] { return &r.Spec }),
		text(3, func(r *model.Cluster) *string { return &r.WorkerToken }),
		text(4, func(r *model.Cluster) *string { return &r.ManagerToken }),
		text(5, func(r *model.Cluster) *string { return &r.UnlockKey }),
		asJSON(6, func(r *model.Cluster) *[]netip.Prefix { return &r.AddrPools }, func(r *model.Cluster) bool { return len(r.AddrPools) == 0 }),
		number(7, func(r *model.Cluster) *uint32 { return &r.SubnetSize }),
		number(8, func(r *model.Cluster) *uint32 { return &r.DataPathPort }),
		number(9, func(r *model.Cluster) *uint64 { return &r.Epoch }),
		number(10, func(r *model.Cluster) *uint32 { return &r.FeatureLevel }),
		number(11, func(r *model.Cluster) *uint64 { return &r.RootForce }),
		id(12, func(r *model.Cluster) *model.ID { return &r.InitialNodeID }),
		asJSON(20, func(r *model.Cluster) *privilege.Policy { return &r.Privileges }, func(r *model.Cluster) bool { return len(r.Privileges) == 0 }),
		boolean(22, func(r *model.Cluster) *bool { return &r.EncryptNetworks }),
	)
	Roots = define(2, "root", WriterIdentity, func(k model.Key) *model.Root { return &model.Root{ClusterID: k.A} },
		id(1, func(r *model.Root) *model.ID { return &r.ClusterID }),
		blob(2, func(r *model.Root) *[]byte { return &r.Cert }),
		blob(3, func(r *model.Root) *[]byte { return &r.Private }),
		text(4, func(r *model.Root) *string { return &r.Digest }),
		blob(5, func(r *model.Root) *[]byte { return &r.Cross }),
	).admitting(wantedRoot)
	RootSpecs = define(21, "root wanted", WriterAPI, func(k model.Key) *model.RootSpec { return &model.RootSpec{ClusterID: k.A} },
		id(1, func(r *model.RootSpec) *model.ID { return &r.ClusterID }),
		blob(2, func(r *model.RootSpec) *[]byte { return &r.Cert }),
		blob(3, func(r *model.RootSpec) *[]byte { return &r.Private }),
		blob(4, func(r *model.RootSpec) *[]byte { return &r.Cross }),
		text(5, func(r *model.RootSpec) *string { return &r.Digest }),
		text(6, func(r *model.RootSpec) *string { return &r.WorkerToken }),
		text(7, func(r *model.RootSpec) *string { return &r.ManagerToken }),
	)
	NodeIdentities = define(3, "node identity", WriterIdentity, func(k model.Key) *model.NodeIdentity { return &model.NodeIdentity{ID: k.A} },
		id(1, func(r *model.NodeIdentity) *model.ID { return &r.ID }),
		number(2, func(r *model.NodeIdentity) *model.Role { return &r.Role }),
		blob(3, func(r *model.NodeIdentity) *[]byte { return &r.Cert }),
		number(4, func(r *model.NodeIdentity) *int64 { return &r.NotAfter }),
		boolean(5, func(r *model.NodeIdentity) *bool { return &r.Suspended }),
		blob(6, func(r *model.NodeIdentity) *[]byte { return &r.KeyDigest }),
		blob(7, func(r *model.NodeIdentity) *[]byte { return &r.Issuer }),
	).with(identitiesByKey)
	NodeSpecs = define(4, "node", WriterAPI, func(k model.Key) *model.NodeSpec { return &model.NodeSpec{ID: k.A} },
		id(1, func(r *model.NodeSpec) *model.ID { return &r.ID }),
		document(2, func(r *model.NodeSpec) *model.Doc[swarm.NodeSpec] { return &r.Spec }),
	).byID(func(a, b *model.NodeSpec) int { return a.ID.Compare(b.ID) }, func(r *model.NodeSpec, id model.ID) { r.ID = id })
	NodeStates = define(5, "node state", WriterDispatcher, func(k model.Key) *model.NodeState { return &model.NodeState{ID: k.A} },
		id(1, func(r *model.NodeState) *model.ID { return &r.ID }),
		number(2, func(r *model.NodeState) *model.Reach { return &r.State }),
		text(3, func(r *model.NodeState) *string { return &r.Message }),
		text(4, func(r *model.NodeState) *string { return &r.Addr }),
		number(5, func(r *model.NodeState) *int64 { return &r.Since }),
		document(6, func(r *model.NodeState) *model.Doc[swarm.NodeDescription] { return &r.Description }),
		number(7, func(r *model.NodeState) *int64 { return &r.Lease }),
		text(8, func(r *model.NodeState) *string { return &r.DataAddr }),
		document(9, func(r *model.NodeState) *model.Doc[model.NodeEncryption] { return &r.Encryption }),
	).byID(func(a, b *model.NodeState) int { return a.ID.Compare(b.ID) }, func(r *model.NodeState, id model.ID) { r.ID = id })
	Members = define(6, "member", WriterRaft, func(k model.Key) *model.Member { return &model.Member{RaftID: keyNum(k)} },
		number(1, func(r *model.Member) *uint64 { return &r.RaftID }),
		id(2, func(r *model.Member) *model.ID { return &r.NodeID }),
		text(3, func(r *model.Member) *string { return &r.Addr }),
		boolean(4, func(r *model.Member) *bool { return &r.Learner }),
	)
	Networks = define(7, "network", WriterAPI, func(k model.Key) *model.Network { return &model.Network{ID: k.A} },
		id(1, func(r *model.Network) *model.ID { return &r.ID }),
		text(2, func(r *model.Network) *string { return &r.Name }),
		document(3, func(r *model.Network) *model.Doc[swarm.NetworkSpec] { return &r.Spec }),
	).with(networksByName, ingressNetwork)
	Secrets = define(8, "secret", WriterAPI, func(k model.Key) *model.Secret { return &model.Secret{ID: k.A} },
		id(1, func(r *model.Secret) *model.ID { return &r.ID }),
		text(2, func(r *model.Secret) *string { return &r.Name }),
		document(3, func(r *model.Secret) *model.Doc[swarm.SecretSpec] { return &r.Spec }),
	).with(secretsByName)
	Configs = define(9, "config", WriterAPI, func(k model.Key) *model.Config { return &model.Config{ID: k.A} },
		id(1, func(r *model.Config) *model.ID { return &r.ID }),
		text(2, func(r *model.Config) *string { return &r.Name }),
		document(3, func(r *model.Config) *model.Doc[swarm.ConfigSpec] { return &r.Spec }),
	).with(configsByName)
	Services = define(10, "service", WriterAPI, func(k model.Key) *model.Service { return &model.Service{ID: k.A} },
		id(1, func(r *model.Service) *model.ID { return &r.ID }),
		text(2, func(r *model.Service) *string { return &r.Name }),
		id(3, func(r *model.Service) *model.ID { return &r.Revision }),
		id(4, func(r *model.Service) *model.ID { return &r.Previous }),
		boolean(5, func(r *model.Service) *bool { return &r.Rollback }),
		number(6, func(r *model.Service) *uint64 { return &r.Iteration }),
	).byID(func(a, b *model.Service) int { return a.ID.Compare(b.ID) }, func(r *model.Service, id model.ID) { r.ID = id }).with(servicesByName)
	Revisions = define(11, "service revision", WriterAPI, func(k model.Key) *model.ServiceRevision { return &model.ServiceRevision{ID: k.A} },
		id(1, func(r *model.ServiceRevision) *model.ID { return &r.ID }),
		id(2, func(r *model.ServiceRevision) *model.ID { return &r.ServiceID }),
		document(3, func(r *model.ServiceRevision) *model.Doc[swarm.ServiceSpec] { return &r.Spec }),
		opaque(4, func(r *model.ServiceRevision) []byte { return r.Fingerprint[:] },
			func(r *model.ServiceRevision, b []byte) error { return fixed(r.Fingerprint[:], b) }),
		text(5, func(r *model.ServiceRevision) *string { return &r.Pinned }),
		text(6, func(r *model.ServiceRevision) *string { return &r.RegistryAuth }),
	).byID(func(a, b *model.ServiceRevision) int { return a.ID.Compare(b.ID) }, func(r *model.ServiceRevision, id model.ID) { r.ID = id }).with(revisionsByService, globalRevisions)
	Revocations = define(18, "revocation", WriterIdentity, func(k model.Key) *model.Revocation { return &model.Revocation{NodeID: k.A} },
		id(1, func(r *model.Revocation) *model.ID { return &r.NodeID }),
		number(2, func(r *model.Revocation) *int64 { return &r.Until }),
	)
)

// The indexes of the tables above.
var (
	networksByName = &Index[model.Network]{name: "name", uniq: true, cmp: func(a, b *model.Network) int { return compareNames(a.Name, b.Name) }}
	ingressNetwork = &Index[model.Network]{name: "ingress", uniq: true, cmp: func(_, _ *model.Network) int { return 0 },
		where: func(r *model.Network) bool { return r.Spec.Get().Ingress }}
	secretsByName   = &Index[model.Secret]{name: "name", uniq: true, cmp: func(a, b *model.Secret) int { return compareNames(a.Name, b.Name) }}
	configsByName   = &Index[model.Config]{name: "name", uniq: true, cmp: func(a, b *model.Config) int { return compareNames(a.Name, b.Name) }}
	servicesByName  = &Index[model.Service]{name: "name", uniq: true, cmp: func(a, b *model.Service) int { return compareNames(a.Name, b.Name) }}
	identitiesByKey = &Index[model.NodeIdentity]{name: "key", uniq: true, cmp: func(a, b *model.NodeIdentity) int { return bytes.Compare(a.KeyDigest, b.KeyDigest) },
		where: func(r *model.NodeIdentity) bool { return len(r.KeyDigest) > 0 }}
	globalRevisions = &Index[model.ServiceRevision]{name: "global", cmp: func(a, b *model.ServiceRevision) int { return a.ServiceID.Compare(b.ServiceID) },
		where: func(r *model.ServiceRevision) bool {
			mode := &r.Spec.Get().Mode
			return mode.Global != nil || mode.GlobalJob != nil
		}}
	revisionsByService = &Index[model.ServiceRevision]{name: "service", cmp: func(a, b *model.ServiceRevision) int { return a.ServiceID.Compare(b.ServiceID) }}
)

// compareNames ignores case, as swarm does: two names may not differ in case only.
func compareNames(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) }

// keyNum undoes model.NumID.
func keyNum(k model.Key) uint64 {
	var n uint64
	for _, b := range k.A[8:] {
		n = n<<8 | uint64(b)
	}
	return n
}

func compareSlots(aSvc, bSvc model.ID, aSlot, bSlot uint64, aNode, bNode model.ID) int {
	if c := aSvc.Compare(bSvc); c != 0 {
		return c
	}
	return cmp.Or(cmp.Compare(aSlot, bSlot), aNode.Compare(bNode))
}
