package api

import (
	"context"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// Cluster is this node's part in a cluster. Its methods are called from many goroutines.
type Cluster interface {
	State() State
	// Init founds a cluster of this one node. The request has been checked. The node's id is returned when
	// the cluster answers.
	Init(ctx context.Context, req swarm.InitRequest) (nodeID string, err error)
	// Leave makes the node forget its cluster. A manager leaves with force only, as in Docker.
	Leave(ctx context.Context, force bool) error
	// Manager is nil unless this node is an active manager.
	Manager() Manager
}

// Locker is a Cluster that can lock its managers' data at rest. Where it is not implemented, autolock is
// refused.
type Locker interface {
	// Unlock makes a manager that waits for the unlock key take part again. An error is an httperr.Error.
	Unlock(ctx context.Context, key string) error
}

// Locked is what a manager that waits for the unlock key says of itself, in Docker's words.
const Locked = `Swarm is encrypted and needs to be unlocked before it can be used. Please use "docker swarm unlock" to unlock it.`

// Joiner is a Cluster that can join one there is. The request has been checked. An error is a sentence for the caller;
// the node is a member wholly or not at all.
type Joiner interface {
	Join(ctx context.Context, req swarm.JoinRequest) error
}

// Finder is a Cluster whose node can be told where its managers are now. false: it has them, or the request is of another
// cluster.
type Finder interface {
	Find(ctx context.Context, req swarm.JoinRequest) (bool, error)
}

// Bringer is a Cluster that can make one of its networks on this node's engine, where no task needs it. It stays until
// release is called, by which time the engine knows of a container that is on it, or is to be.
type Bringer interface {
	BringNetwork(ctx context.Context, net executor.Network) (release func(), err error)
}

// Directory is a Cluster that asks a manager for one of its networks, from a node that is none. The errors are those of
// [Attachable].
type Directory interface {
	AskNetwork(ctx context.Context, name string) (executor.Network, error)
}

// Manager reads and writes the cluster's state.
type Manager interface {
	store.Committer
	// Fresh returns a view that holds everything acknowledged before the call.
	Fresh(ctx context.Context) (store.View, error)
}

// State is how this node stands to a cluster.
type State struct {
	Local  swarm.LocalNodeState
	NodeID model.ID
	Addr   string // the address other nodes reach this one at
	Err    string // why Local is error
	Leader model.ID
	// Managers are where a worker reaches the managers; those of a manager are in its tables.
	Managers []swarm.Peer
}
