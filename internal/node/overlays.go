package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"

	"github.com/moby/moby/api/types/swarm"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/executor/docker"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network/check"
	"github.com/skep-org/skep/internal/network/dataplane"
	"github.com/skep-org/skep/internal/network/dns"
	"github.com/skep-org/skep/internal/network/kernel"
	"github.com/skep-org/skep/internal/network/plugin"
	"github.com/skep-org/skep/internal/wire"
)

// overlays is the node's network plugin, and while the node is in a cluster the data plane behind it; or the reason that
// there is none. The plugin is served before the engine is talked to and until the daemon ends: without it an engine
// waits half a minute for each container that it takes off a network.
type overlays struct {
	cfg    Config
	env    env.Env
	log    *slog.Logger
	driver plugin.Switch

	stop   context.CancelFunc
	served chan struct{} // closed when the plugin is served no more; nil: it never was

	mu      sync.Mutex
	refusal error // why this node has no overlay networks
	joined  bool  // the engine was found to be in this network namespace
	running *running
	uplink  uplink
}

// running is the data plane of a membership.
type running struct {
	node    model.ID
	plane   *dataplane.Plane
	kernel  *kernel.Kernel
	engine  *dataplane.Docker
	checker *check.Checker
	counts  *prometheus.Registry
	cancel  context.CancelFunc
	done    chan struct{}
}

// uplink is the agent, through which the data plane and the managers speak.
type uplink interface {
	FabricApplied(nonce, seq uint64)
	FabricRefused(nonce uint64)
	SetGuests(*wire.Guests)
}

var _ docker.DataPlane = (*overlays)(nil)

// openOverlays serves the plugin. That it cannot be is no reason not to run: the node then has no overlay networks.
func openOverlays(cfg Config, e env.Env, log *slog.Logger) *overlays {
	o := &overlays{cfg: cfg, env: e, log: log, stop: func() {}}
	l, err := plugin.Listen(cfg.PluginDir)
	if err != nil {
		o.refuse(fmt.Errorf("the engine's network plugin cannot be served: %w", err))
		return o
	}
	ctx, cancel := context.WithCancel(context.Background())
	o.stop, o.served = cancel, make(chan struct{})
	go func() {
		defer close(o.served)
		if err := plugin.Serve(ctx, l, &o.driver, log); !errors.Is(err, context.Canceled) {
			o.refuse(err)
		}
	}()
	return o
}

func (o *overlays) refuse(err error) {
	o.log.Warn("this node has no overlay networks", "err", err)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.refusal = err
}

// begin runs the data plane of a membership, if it does not run already.
func (o *overlays) begin(ms membership) {
	o.mu.Lock()
	begun := o.running != nil && o.running.node == ms.Node || o.refusal != nil
	o.mu.Unlock()
	if begun {
		return
	}
	if err := o.end(context.Background(), false); err != nil {
		o.log.Warn("an earlier data plane did not end cleanly", "err", err)
	}
	r, err := o.open(ms)
	if err != nil {
		o.refuse(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel, r.done = cancel, make(chan struct{})
	go func() {
		defer close(r.done)
		echoes := make(chan error, 1)
		go func() { echoes <- r.checker.Run(ctx) }()
		defer func() { <-echoes }()
		if err := r.plane.Run(ctx); !errors.Is(err, context.Canceled) {
			o.refuse(fmt.Errorf("the data plane has ended: %w", err))
		}
	}()
	o.mu.Lock()
	o.running = r
	o.mu.Unlock()
	o.driver.Set(r.plane)
}

// Names below the directories of a membership and of what lives as long as the kernel's objects.
const (
	fabricFile = "fabric"
	realmsFile = "engine-networks"
	placesDir  = "/run/skep/network"
)

func (o *overlays) open(ms membership) (*running, error) {
	k, err := kernel.New(kernel.Options{Log: o.log})
	if err != nil {
		return nil, err
	}
	if err := k.Probe(); err != nil {
		return nil, errors.Join(err, k.Close())
	}
	engine, err := dataplane.NewDocker(o.cfg.Engine)
	if err != nil {
		return nil, errors.Join(err, k.Close())
	}
	dir := filepath.Join(o.cfg.DataDir, swarmDir)
	counts := prometheus.NewRegistry()
	plane, err := dataplane.New(dataplane.Config{
		Self: ms.Node, Kernel: k, Engine: engine, Env: o.env, Log: o.log, Registry: counts,
		Names:  dns.New(dns.Options{Env: o.env, Log: o.log, Registry: counts}),
		Fabric: fileDisk(filepath.Join(dir, fabricFile)), Realms: fileDisk(filepath.Join(dir, realmsFile)),
		Places:   volatileDisk(filepath.Join(placesDir, ms.Node.String())),
		Settings: underlay(ms.AdvertiseAddr), Applied: o.applied, Refused: o.refused, Guests: o.guests,
	})
	if err != nil {
		return nil, errors.Join(err, engine.Close(), k.Close())
	}
	checker := check.New(check.Config{Self: ms.Node, Fabric: plane.Known, Env: o.env, Log: o.log, Registry: counts})
	return &running{node: ms.Node, plane: plane, kernel: k, engine: engine, checker: checker, counts: counts}, nil
}

// end ends the data plane. What it made in the kernel stays, unless the node leaves its cluster for good.
func (o *overlays) end(ctx context.Context, leaves bool) error {
	o.mu.Lock()
	r := o.running
	o.running = nil
	o.mu.Unlock()
	if r == nil {
		return nil
	}
	o.driver.Set(nil)
	r.cancel()
	<-r.done
	var errs []error
	if leaves {
		errs = append(errs, r.plane.Purge(ctx), volatileDisk(filepath.Join(placesDir, r.node.String())).remove())
	}
	return errors.Join(append(errs, r.engine.Close(), r.kernel.Close())...)
}

// close ends plugin and data plane with the daemon. The plane goes on until the last call was answered.
func (o *overlays) close() error {
	o.stop()
	if o.served != nil {
		<-o.served
	}
	return o.end(context.Background(), false)
}

func (o *overlays) now() *running {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.running
}

// fabric is what takes the managers' word on the networks; nil: there is no data plane.
func (o *overlays) fabric() func(*wire.Fabric) {
	if r := o.now(); r != nil {
		return r.plane.Fabric
	}
	return nil
}

// connect has the managers hear of the data plane through the agent.
func (o *overlays) connect(u uplink) {
	o.mu.Lock()
	r := o.running
	o.uplink = u
	o.mu.Unlock()
	if r == nil {
		return
	}
	if list := r.plane.GuestList(); list != nil {
		u.SetGuests(list)
	}
}

func (o *overlays) up() uplink {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.uplink
}

func (o *overlays) applied(nonce, seq uint64) {
	if u := o.up(); u != nil {
		u.FabricApplied(nonce, seq)
	}
}

func (o *overlays) refused(nonce uint64) {
	if u := o.up(); u != nil {
		u.FabricRefused(nonce)
	}
}

func (o *overlays) guests(g *wire.Guests) {
	if u := o.up(); u != nil {
		u.SetGuests(g)
	}
}

// Driver implements [docker.DataPlane].
func (o *overlays) Driver() string { return plugin.Name }

// Usable implements [docker.DataPlane].
func (o *overlays) Usable() error {
	o.mu.Lock()
	refusal, r, joined := o.refusal, o.running, o.joined
	o.mu.Unlock()
	switch {
	case refusal != nil:
		return fmt.Errorf("this node has no overlay networks: %w", refusal)
	case r == nil:
		return plugin.ErrNoCluster
	case joined:
		return nil
	}
	if err := sameNetwork(o.cfg.Engine); err != nil {
		return fmt.Errorf("this node has no overlay networks: %w", err)
	}
	o.mu.Lock()
	o.joined = true
	o.mu.Unlock()
	return nil
}

// Ready implements [docker.DataPlane].
func (o *overlays) Ready(ctx context.Context, task model.ID) error {
	r := o.now()
	if r == nil {
		return plugin.ErrNoCluster
	}
	return r.plane.Ready(ctx, task)
}

// HostPorts implements [docker.DataPlane].
func (o *overlays) HostPorts(task model.ID) []swarm.PortConfig {
	r := o.now()
	if r == nil {
		return nil
	}
	return r.plane.HostPorts(task)
}

// Describe implements [prometheus.Collector]: what is told depends on whether there is a data plane.
func (o *overlays) Describe(chan<- *prometheus.Desc) {}

// Collect implements [prometheus.Collector].
func (o *overlays) Collect(out chan<- prometheus.Metric) {
	if r := o.now(); r != nil {
		r.counts.Collect(out)
	}
}
