package dataplane

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network"
	"github.com/skep-org/skep/internal/network/dns"
	"github.com/skep-org/skep/internal/network/kernel"
	"github.com/skep-org/skep/internal/wire"
)

// Kernel is what the plane has carried out. Package kernel has the real one.
type Kernel interface {
	// Attach makes a link on a network and returns the name of the end that is for the container.
	Attach(ctx context.Context, n *network.Network, l network.Link, mtu int) (peer string, err error)
	Detach(ctx context.Context, l network.Link) error
	// Sync has the kernel hold what is wanted. Its error is kernel.ErrNotYet alone when only namespaces of containers
	// are not there yet.
	Sync(ctx context.Context, want *network.Desired) error
	// Programmed says whether a container's namespace holds what the last Sync wanted there.
	Programmed(box string) bool
	Audit(ctx context.Context, want *network.Desired) ([]network.Drift, error)
	// Findings are what is wrong with the host's network and not the plane's to repair.
	Findings() ([]network.Finding, error)
	// Listen opens sockets inside a network's own namespace.
	Listen(ctx context.Context, network model.ID, addr netip.AddrPort) (net.PacketConn, net.Listener, error)
	// Means says by what this machine can carry encrypted networks; an error, why it cannot.
	Means() (string, error)
	// NewKey makes a key for encrypted networks, Forget loses its private half.
	NewKey(generation uint64) (network.NodeKey, error)
	Forget(key network.Key)
	// Keys are those that an earlier process has left in use.
	Keys() (network.Keys, error)
	// Live are the keys of other nodes that are known to work.
	Live() (map[network.Key]struct{}, error)
	// Lost says that the kernel holds less than it did.
	Lost() <-chan struct{}
	// Purge takes everything away.
	Purge(ctx context.Context) error
}

// Names is a name server. Package dns has the real one.
type Names interface {
	Set(*dns.Zones)
	Serve(ctx context.Context, network model.ID, pc net.PacketConn, ln net.Listener) error
}

// Disk keeps one piece of a plane's memory. Save replaces what was kept.
type Disk interface {
	Load() ([]byte, error) // nil: nothing was kept
	Save([]byte) error
}

// Config is what a plane is made of. Its functions are called by the plane's goroutine: they hand on and return.
type Config struct {
	Self   model.ID
	Kernel Kernel
	Names  Names
	Engine Engine
	Env    env.Env
	Log    *slog.Logger

	Fabric Disk // the managers' last word; outlives a reboot
	Realms Disk // the engine's networks; outlive a reboot
	Places Disk // the containers' places on networks; need not outlive a reboot

	Applied func(nonce, seq uint64) // everything up to seq is in force
	Refused func(nonce uint64)      // a message of that session is of no use: all has to be said anew
	Guests  func(*wire.Guests)      // the containers that no task runs, all of them
	// Encryption is how the node carries encrypted networks.
	Encryption func(*wire.Encryption)
	// Rotation is how long a key for encrypted networks is used; 0 means 12 h.
	Rotation time.Duration

	// Settings are looked at again by each audit. The managers know the node by an address, which may be invalid. What
	// cannot be told just now stays as it was. nil: nothing is known.
	Settings func(known netip.Addr) network.Settings
	// Taken are the addresses that this host uses beside the cluster's networks; nil: nothing is known of them.
	Taken func() ([]network.Taken, error)
	// AuditEvery is how often the kernel is compared with what is desired; 0 means every 5 s.
	AuditEvery time.Duration
	Registry   prometheus.Registerer // nil: nobody counts

	// Standing reports whether there is a network namespace at a path; nil: the file system is asked.
	Standing func(path string) bool
	// Free finds out whether a port of this node is free, and chooses one for 0; nil: by listening.
	Free func(network.Port) (uint16, error)
}

const (
	defaultAudit = 5 * time.Second
	// DefaultRotation is how long a key for encrypted networks is used, as swarm's are.
	DefaultRotation = 12 * time.Hour
	// patience bounds how long an engine's call waits for the managers.
	patience = 10 * time.Second
)

func (c Config) withDefaults() (Config, error) {
	if c.Kernel == nil || c.Names == nil || c.Engine == nil || c.Fabric == nil || c.Realms == nil || c.Places == nil {
		return c, errors.New("a data plane needs a kernel, a name server, an engine and three disks")
	}
	if c.AuditEvery <= 0 {
		c.AuditEvery = defaultAudit
	}
	if c.Settings == nil {
		c.Settings = func(netip.Addr) network.Settings { return network.Settings{} }
	}
	if c.Standing == nil {
		c.Standing = kernel.IsNamespace
	}
	if c.Free == nil {
		c.Free = freePort
	}
	if c.Applied == nil {
		c.Applied = func(uint64, uint64) {}
	}
	if c.Refused == nil {
		c.Refused = func(uint64) {}
	}
	if c.Encryption == nil {
		c.Encryption = func(*wire.Encryption) {}
	}
	if c.Rotation <= 0 {
		c.Rotation = DefaultRotation
	}
	if c.Guests == nil {
		c.Guests = func(*wire.Guests) {}
	}
	return c, nil
}
