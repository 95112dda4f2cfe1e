package plugin

import (
	"context"
	"errors"
	"net/netip"
	"sync"
)

// Name is what engines call the driver: the name of its socket.
const Name = "skep"

// ErrNoCluster is the answer to an engine that wants a network of a node that is in no cluster.
var ErrNoCluster = errors.New("this node is in no cluster: its overlay networks are gone; docker swarm init or docker swarm join comes first")

// Driver is what the engine's calls come to. Ids are the engine's own, 64 hexadecimal digits; options are those the
// network or endpoint was made with.
type Driver interface {
	CreateNetwork(ctx context.Context, id string, options map[string]string) error
	DeleteNetwork(ctx context.Context, id string) error
	CreateEndpoint(context.Context, NewEndpoint) (Interface, error)
	DeleteEndpoint(ctx context.Context, network, endpoint string) error
	// Join says what the engine is to move into the sandbox, which it may make only after this.
	Join(ctx context.Context, network, endpoint, sandbox string) (Joined, error)
	Leave(ctx context.Context, network, endpoint string) error
}

// NewEndpoint is a container's place on a network that is about to be made.
type NewEndpoint struct {
	Network, ID string
	Given       Interface // what the engine has decided already
	Options     map[string]string
}

// Interface is a link's addresses. What is invalid or empty was not decided.
type Interface struct {
	Addr netip.Prefix
	MAC  string
}

// Joined is a link that waits to be moved into a sandbox.
type Joined struct {
	Link      string     // its present name
	Gateway   netip.Addr // the sandbox's default route; invalid: the engine looks after that
	NoGateway bool       // there is to be no way out, and the engine is not to make one
}

// Switch is the driver of a node that may be in a cluster or not. Without a driver what ends succeeds, so that containers
// and networks that outlived the cluster can be removed, and what begins is refused.
type Switch struct {
	mu     sync.Mutex
	driver Driver
}

var _ Driver = (*Switch)(nil)

// Set makes d the driver from now on; nil: there is none.
func (s *Switch) Set(d Driver) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.driver = d
}

func (s *Switch) now() Driver {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.driver
}

// CreateNetwork implements [Driver].
func (s *Switch) CreateNetwork(ctx context.Context, id string, options map[string]string) error {
	if d := s.now(); d != nil {
		return d.CreateNetwork(ctx, id, options)
	}
	return ErrNoCluster
}

// DeleteNetwork implements [Driver].
func (s *Switch) DeleteNetwork(ctx context.Context, id string) error {
	if d := s.now(); d != nil {
		return d.DeleteNetwork(ctx, id)
	}
	return nil
}

// CreateEndpoint implements [Driver].
func (s *Switch) CreateEndpoint(ctx context.Context, e NewEndpoint) (Interface, error) {
	if d := s.now(); d != nil {
		return d.CreateEndpoint(ctx, e)
	}
	return Interface{}, ErrNoCluster
}

// DeleteEndpoint implements [Driver].
func (s *Switch) DeleteEndpoint(ctx context.Context, network, endpoint string) error {
	if d := s.now(); d != nil {
		return d.DeleteEndpoint(ctx, network, endpoint)
	}
	return nil
}

// Join implements [Driver].
func (s *Switch) Join(ctx context.Context, network, endpoint, sandbox string) (Joined, error) {
	if d := s.now(); d != nil {
		return d.Join(ctx, network, endpoint, sandbox)
	}
	return Joined{}, ErrNoCluster
}

// Leave implements [Driver].
func (s *Switch) Leave(ctx context.Context, network, endpoint string) error {
	if d := s.now(); d != nil {
		return d.Leave(ctx, network, endpoint)
	}
	return nil
}
