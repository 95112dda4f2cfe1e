package manager

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/store/raft"
	pb "go.etcd.io/raft/v3/raftpb"
)

// defaultCertExpiry is swarm's own lifetime of node certificates.
const defaultCertExpiry = 90 * 24 * time.Hour

// Founding is what a new cluster starts with.
type Founding struct {
	Cluster   model.ID
	Node      model.ID
	Advertise netip.AddrPort
	UnlockKey string       // empty: managers are not locked
	Ingress   netip.Prefix // the subnet of the routing mesh; invalid: the usual one, or the first of the pools
	Request   swarm.InitRequest
}

// Found writes the first entries of a new cluster into a new log: its one member, and the rows of a cluster of one
// node. It returns the node's keys. The log is complete when Found returns and of no use when it fails.
func Found(e env.Env, log raft.Log, f Founding) (identity.Keys, error) {
	now := e.Now()
	root, err := identity.NewRoot(e.Rand, now)
	if err != nil {
		return identity.Keys{}, err
	}
	spec := withDefaults(f.Request.Spec)
	spec.EncryptionConfig.AutoLockManagers = f.Request.AutoLockManagers || spec.EncryptionConfig.AutoLockManagers
	cert, err := root.Issue(e.Rand, now, f.Cluster, f.Node, model.RoleManager, spec.CAConfig.NodeCertExpiry)
	if err != nil {
		return identity.Keys{}, err
	}
	raw, err := store.EncodeEntry(store.Entry{Time: now.UnixNano(), Batch: f.batch(e, spec, root, cert)})
	if err != nil {
		return identity.Keys{}, fmt.Errorf("write the new cluster's first rows: %w", err)
	}
	if err := raft.Bootstrap(log, f.Advertise.String()); err != nil {
		return identity.Keys{}, err
	}
	first := &pb.Entry{Index: new(uint64(2)), Term: new(uint64(1)), Type: pb.EntryNormal.Enum(), Data: raw}
	hard := &pb.HardState{Term: new(uint64(1)), Commit: new(uint64(2)), Vote: new(uint64(0))}
	return identity.Keys{Cert: cert.Cert, Key: cert.Key, Roots: root.Cert}, log.Save(hard, []*pb.Entry{first}, true)
}

func (f Founding) batch(e env.Env, spec swarm.Spec, root identity.Root, cert identity.NodeCert) *store.Batch {
	availability := f.Request.Availability
	if availability == "" {
		availability = swarm.NodeAvailabilityActive
	}
	node := swarm.NodeSpec{Role: swarm.NodeRoleManager, Availability: availability}
	node.Labels = map[string]string{}
	subnetSize := f.Request.SubnetSize
	if len(f.Request.DefaultAddrPool) == 0 {
		subnetSize = 0 // the stock CLI sends 24 when the user said nothing
	}
	return &store.Batch{Writer: store.WriterInit, Changes: []store.Change{
		store.Clusters.Put(&model.Cluster{
			ID: f.Cluster, Spec: model.DocOf(spec), InitialNodeID: f.Node, Epoch: 1, FeatureLevel: 1, UnlockKey: f.UnlockKey,
			WorkerToken: identity.Secret(e.NewID()), ManagerToken: identity.Secret(e.NewID()),
			AddrPools: f.Request.DefaultAddrPool, SubnetSize: subnetSize, DataPathPort: f.Request.DataPathPort,
		}),
		store.Roots.Put(&model.Root{ClusterID: f.Cluster, Cert: root.Cert, Private: root.Key, Digest: identity.Digest(root.Cert)}),
		store.NodeIdentities.Put(&model.NodeIdentity{ID: f.Node, Role: model.RoleManager, Cert: cert.Cert, NotAfter: cert.NotAfter.UnixNano()}),
		store.NodeSpecs.Put(&model.NodeSpec{ID: f.Node, Spec: model.DocOf(node)}),
		store.Networks.Put(f.ingress(e.NewID())),
	}}
}

// ingress is the network of the routing mesh. Where the user gave address pools and nothing speaks against what comes first
// in them, its subnet is the allocator's to cut; else it is one that leaves the default pool's beginning to users' networks.
func (f Founding) ingress(id model.ID) *model.Network {
	const name = "ingress"
	spec := swarm.NetworkSpec{
		Annotations:         swarm.Annotations{Name: name, Labels: map[string]string{}},
		DriverConfiguration: &swarm.Driver{Name: "overlay"}, Ingress: true, Scope: "swarm",
		IPAMOptions: &swarm.IPAMOptions{Driver: swarm.Driver{Name: "default"}},
	}
	subnet := f.Ingress
	if !subnet.IsValid() && len(f.Request.DefaultAddrPool) == 0 {
		subnet = network.DefaultIngress()
	}
	if subnet.IsValid() {
		spec.IPAMOptions.Configs = []swarm.IPAMConfig{{Subnet: subnet}}
	}
	return &model.Network{ID: id, Name: name, Spec: model.DocOf(spec)}
}

// withDefaults fills in what swarm's own init fills in.
func withDefaults(s swarm.Spec) swarm.Spec {
	s.Name = "default" // swarm's clusters are all named so
	if s.Labels == nil {
		s.Labels = map[string]string{}
	}
	if s.Orchestration.TaskHistoryRetentionLimit == nil {
		s.Orchestration.TaskHistoryRetentionLimit = new(int64(5))
	}
	if s.Raft.SnapshotInterval == 0 {
		s.Raft.SnapshotInterval = 10_000
	}
	if s.Raft.KeepOldSnapshots == nil {
		s.Raft.KeepOldSnapshots = new(uint64(0))
	}
	if s.Raft.LogEntriesForSlowFollowers == 0 {
		s.Raft.LogEntriesForSlowFollowers = 500
	}
	if s.Raft.ElectionTick == 0 {
		s.Raft.ElectionTick = 10
	}
	if s.Raft.HeartbeatTick == 0 {
		s.Raft.HeartbeatTick = 1
	}
	if s.Dispatcher.HeartbeatPeriod == 0 {
		s.Dispatcher.HeartbeatPeriod = 5 * time.Second
	}
	if s.CAConfig.NodeCertExpiry == 0 {
		s.CAConfig.NodeCertExpiry = defaultCertExpiry
	}
	return s
}
