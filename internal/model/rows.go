package model

import (
	"net/netip"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model/privilege"
)

// Meta is the head of every row. The store fills it in when a write is applied; a stage leaves it alone.
type Meta struct {
	Index   uint64 // raft index of the last write: the row's version
	Created int64  // Unix nanoseconds, the leader's clock
	Updated int64
	Unknown *[]byte // fields a newer build wrote, kept so that they survive a round trip
}

// GetMeta gives the store access to the head of any row.
func (m *Meta) GetMeta() *Meta { return m }

// CreatedAt is Created as Docker shows it.
func (m *Meta) CreatedAt() time.Time { return time.Unix(0, m.Created).UTC() }

// UpdatedAt is Updated as Docker shows it.
func (m *Meta) UpdatedAt() time.Time { return time.Unix(0, m.Updated).UTC() }

// Cluster is the one row of cluster-wide settings. Writer: api.
type Cluster struct {
	Meta
	ID            ID
	Spec          Doc[swarm.Spec]
	WorkerToken   string // the secret half of the join tokens
	ManagerToken  string
	UnlockKey     string
	AddrPools     []netip.Prefix // none given means 10.0.0.0/8
	SubnetSize    uint32         // prefix length cut from AddrPools; 0 means 20
	DataPathPort  uint32         // 0 means 4789
	Epoch         uint64
	FeatureLevel  uint32
	RootForce     uint64 // the ForceRotate counter last asked for
	InitialNodeID ID     // the node that founded the cluster
	Privileges    privilege.Policy
	// EncryptNetworks has overlay networks made encrypted that are made from then on, whoever asks for what.
	EncryptNetworks bool
}

// Root is the cluster's certificate authority. Writer: identity.
type Root struct {
	Meta
	ClusterID ID
	Cert      []byte // PEM
	Private   []byte // PEM of the private key; at rest only inside the encrypted log and snapshots
	Digest    string // base-36 of the SHA-256 of Cert, as it stands in join tokens
	Cross     []byte // PEM: Cert's key certified by the root before this one, for nodes that missed the change; nil: the first root
}

// RootSpec is the certificate authority the cluster is to have. While its Digest is not the Root's the nodes renew their
// certificates under it; when all have, it becomes the Root. Writer: api.
type RootSpec struct {
	Meta
	ClusterID ID
	Cert      []byte // PEM
	Private   []byte // PEM of the private key, kept as Root's is; nil: an external authority signs
	Cross     []byte // PEM: Cert's key certified by the Root there was when it was asked for
	Digest    string
	// The secret halves of the join tokens from when it is the Root; empty: the Cluster's, which are newer.
	WorkerToken  string
	ManagerToken string
}

// NodeIdentity is what the CA certified of a node. Writer: identity (the first one by the commit of init or join).
type NodeIdentity struct {
	Meta
	ID        ID
	Role      Role   // granted: what its next certificate says, and all that the present one is good for
	Cert      []byte // PEM, the newest
	NotAfter  int64  // Unix nanoseconds until when any of its certificates is valid
	Suspended bool
	KeyDigest []byte // SHA-256 of the public key in Cert: a join that is asked again is known by it
	Issuer    []byte // digest of the authority that the node was told to have a certificate of; nil: it was never told
}

// Revocation is a node that was removed while its certificate had time to run. Writer: identity.
type Revocation struct {
	Meta
	NodeID ID
	Until  int64 // Unix nanoseconds; afterwards no certificate of the node is valid anyway
}

// Role is what a node's certificate lets it be.
type Role uint8

// The roles.
const (
	RoleWorker Role = iota
	RoleManager
)

// Swarm is Docker's name for the role.
func (r Role) Swarm() swarm.NodeRole {
	if r == RoleManager {
		return swarm.NodeRoleManager
	}
	return swarm.NodeRoleWorker
}

// NodeSpec is what the user asked of a node. Writer: api (the first one by the commit of init or join).
type NodeSpec struct {
	Meta
	ID   ID
	Spec Doc[swarm.NodeSpec]
}

// NodeState is what is known of a node's agent. Writer: dispatcher.
type NodeState struct {
	Meta
	ID          ID
	State       Reach
	Message     string
	Addr        string
	DataAddr    string // where overlay packets reach the node; empty: at Addr
	Since       int64  // Unix nanoseconds when State last changed
	Lease       int64  // Unix nanoseconds until which a node that announced its restart is waited for; 0: it announced none
	Description Doc[swarm.NodeDescription]
	// Encryption is how the node carries encrypted networks. None: its build knows nothing of them.
	Encryption Doc[NodeEncryption]
}

// NodeEncryption is how a node carries encrypted networks, by its own word.
type NodeEncryption struct {
	Means   string    `json:",omitempty"` // what it does so by; empty: it cannot
	Refusal string    `json:",omitempty"` // why not
	Keys    []NodeKey `json:",omitempty"` // at most two, the older one first
	Sends   uint64    `json:",omitempty"` // the oldest generation of keys that it still sends by; 0: by none
}

// NodeKey is a public key that other nodes encrypt by.
type NodeKey struct {
	Generation uint64
	Key        []byte
	Port       uint16
}

// Reach says whether a node's agent is heard.
type Reach uint8

// Docker's node states.
const (
	ReachUnknown Reach = iota
	ReachDown
	ReachReady
	ReachDisconnected
)

// Swarm is Docker's name for the node state.
func (r Reach) Swarm() swarm.NodeState {
	switch r {
	case ReachDown:
		return swarm.NodeStateDown
	case ReachReady:
		return swarm.NodeStateReady
	case ReachDisconnected:
		return swarm.NodeStateDisconnected
	}
	return swarm.NodeStateUnknown
}

// Member is one voter or learner of the raft group. Writer: raft's conf changes.
type Member struct {
	Meta
	RaftID uint64
	NodeID ID
	Addr   string

	Learner bool // it receives the log and does not vote yet
}

// Network is a cluster network. Writer: api.
type Network struct {
	Meta
	ID   ID
	Name string
	Spec Doc[swarm.NetworkSpec]
}

// Secret is a secret with its data. Writer: api.
type Secret struct {
	Meta
	ID   ID
	Name string
	Spec Doc[swarm.SecretSpec]
}

// Config is a config with its data. Writer: api.
type Config struct {
	Meta
	ID   ID
	Name string
	Spec Doc[swarm.ConfigSpec]
}

// Service is what the user asked for under a name: which revision is wanted. Writer: api.
type Service struct {
	Meta
	ID       ID
	Name     string
	Revision ID   // the revision asked for
	Previous ID   // the one asked for before it; zero for a new service
	Rollback bool // Revision was asked for by `docker service rollback`

	Iteration uint64 // of a job: how often it was asked for after the first time; each time it runs anew
}

// ServiceRevision is one immutable version of a service's spec. Writer: api.
type ServiceRevision struct {
	Meta
	ID          ID
	ServiceID   ID
	Spec        Doc[swarm.ServiceSpec]
	Fingerprint [16]byte // of what forces a task to be replaced; see Fingerprint
	Pinned      string   // image with digest, when the registry told it; else empty

	RegistryAuth string // the X-Registry-Auth the spec came with, for the nodes' pulls; nodes never write it to disk
}
