package remote

import (
	"context"
	"io"
	"log/slog"
	"time"

	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/manager/roles"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/registry/exchange"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

// Config is what a [Server] is made of.
type Config struct {
	Cluster model.ID
	// Keys returns this node's present certificate; it is asked at each handshake.
	Keys func() identity.Keys
	// Allowed says whether a node may do what needs a role: that it is still a member and was granted that role. The
	// peer's own Role is its certificate's, which may be older than the grant. A node that was demoted must still be
	// allowed what needs a worker, or it could never fetch its new certificate.
	Allowed func(peer identity.Peer, need model.Role) error
	Env     env.Env
	Logger  *slog.Logger // nil: none
	Limits  Limits
}

// Limits bound what clients without a certificate may do. The zero value of each means its default.
type Limits struct {
	PerAddress  float64 // calls a second from one address, 10
	Burst       int     // calls at once from one address, 20
	Overall     float64 // calls a second, 100; twice as many at once
	Concurrent  int     // calls being answered, 32
	Connections int     // 128; an eighth of them from one address
	Handshakes  int     // connections whose client has not been told apart yet, 1024; an eighth of them from one address
}

func (l Limits) withDefaults() Limits {
	def := Limits{PerAddress: 10, Burst: 20, Overall: 100, Concurrent: 32, Connections: 128, Handshakes: 1024}
	if l.PerAddress == 0 {
		l.PerAddress = def.PerAddress
	}
	if l.Overall == 0 {
		l.Overall = def.Overall
	}
	for _, v := range []struct {
		at *int
		to int
	}{{&l.Burst, def.Burst}, {&l.Concurrent, def.Concurrent}, {&l.Connections, def.Connections}, {&l.Handshakes, def.Handshakes}} {
		if *v.at == 0 {
			*v.at = v.to
		}
	}
	return l
}

// What one connection may carry.
const (
	maxMessage         = 4 << 20
	maxStrangerMessage = 64 << 10
	// maxAssignments is what an agent takes from its manager in one message: all it is to run, with secrets and
	// configs.
	maxAssignments = 64 << 20
	keepalivePing  = 10 * time.Second
	keepaliveWait  = 5 * time.Second
	// The windows are fixed, wide enough for a fast network. Where gRPC finds them by itself it pings at each message,
	// which is more than all else that an idle manager sends and takes.
	streamWindow     = 1 << 20
	connectionWindow = 2 << 20
	// A connection of TLS has what it last read in a buffer of its own. gRPC's, and the one that it writes through, would be 64
	// KiB more for each of a leader's agents, most of which say nothing at a time.
	readBuffer = 0
)

// Handlers answer the calls. A nil one is not this node's business now, and its calls are refused with that sentence.
type Handlers struct {
	Authority  Authority
	Group      Group
	Dispatcher Dispatcher
	Relay      Relay
	Directory  Directory
	Registry   Registry
	Blobs      Blobs // of every node that has a registry, whatever its role
	// Managers lists where the managers are reached and which one leads, for agents that ask the wrong one. It may be
	// nil.
	Managers func() []*wire.Manager
}

// Authority answers nodes that join and nodes that need their next certificate.
type Authority interface {
	Root(context.Context) (*wire.RootReply, error)
	Join(ctx context.Context, addr string, req *wire.JoinRequest) (*wire.JoinReply, error)
	Renew(context.Context, identity.Peer, *wire.RenewRequest) (*wire.RenewReply, error)
}

// Group answers the other managers. A raft.Replica has its first two methods, a [Transport] the third.
type Group interface {
	Step(...*pb.Message)
	StepSnapshot(ctx context.Context, msg *pb.Message, body io.Reader) error
	// Heard says that a member is a node and is reached at addr: it has said so itself.
	Heard(id uint64, node model.ID, addr string)
	// Propose commits a batch here and returns its outcome.
	Propose(context.Context, identity.Peer, *store.Batch) (index uint64, err error)
	Enter(ctx context.Context, peer identity.Peer, id uint64, addr string, holds uint64) error
	Depart(ctx context.Context, peer identity.Peer, id uint64, force bool) error
	// Ask hands a message to a node's agent that has its session here.
	Ask(ctx context.Context, node model.ID, msg *wire.ManagerMessage) error
	// Members are the group's as the leader sees them; store.ErrNotLeader where this manager does not lead.
	Members(ctx context.Context) (roles.Group, error)
}

// Dispatcher opens agents' sessions; store.ErrNotLeader sends the agent to the manager that leads.
type Dispatcher interface {
	Connect(node model.ID, addr string) (wire.Session, error)
}

// Directory answers nodes that need to know of a network nothing of theirs is on yet. The name is what a user wrote.
type Directory interface {
	Network(ctx context.Context, name string) (*wire.Network, error)
}

// Registry answers for the images of the cluster's registry. The node is the one that asks.
type Registry interface {
	Look(ctx context.Context, node model.ID, q *wire.RegistryQuery) (*wire.RegistryAnswer, error)
	Record(ctx context.Context, node model.ID, c *wire.RegistryChange) error
}

// Blobs gives blobs to other nodes, and keeps what they give. An exchange.Exchange does.
type Blobs interface {
	Serve(ctx context.Context, to model.ID, r exchange.Request) (io.ReadCloser, error)
	Take(ctx context.Context, d model.Digest, size int64, body io.Reader) error
}

// Relay takes the output of a node's containers. It returns when it has had enough.
type Relay interface {
	Attach(ctx context.Context, peer identity.Peer, stream model.ID, frames Frames) error
}

// Frames are what a node sends; io.EOF follows the last one.
type Frames interface {
	Next() (*wire.RelayFrame, error)
}
