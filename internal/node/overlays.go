package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/executor/docker"
	"github.com/skep-org/skep/internal/model"
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

	kernel kernel.Options
	places string        // directory of what is kept of containers' places
	reopen time.Duration // between attempts to open a data plane

	mu      sync.Mutex
	deaf    error // why the plugin is not served, ever
	refusal error // why there is no data plane just now
	joined  bool  // the engine was found to be in this network namespace
	life    *life // of a membership's data plane; nil: the node is in no cluster
	running *running
	uplink  uplink
	missed  uint64 // the session whose messages no data plane took; 0: none
}

// uplink is the agent, through which the data plane and the managers speak.
type uplink interface {
	FabricApplied(nonce, seq uint64)
	FabricRefused(nonce uint64)
	SetGuests(*wire.Guests)
	SetEncryption(*wire.Encryption)
}

var _ docker.DataPlane = (*overlays)(nil)

// openOverlays serves the plugin. That it cannot be is no reason not to run: the node then has no overlay networks.
func openOverlays(cfg Config, e env.Env, log *slog.Logger) *overlays {
	o := &overlays{
		cfg: cfg, env: e, log: log, stop: func() {}, kernel: kernel.Options{Log: log, Dir: kernel.DefaultDir}, places: placesDir, reopen: reopenWait,
	}
	l, err := plugin.Listen(cfg.PluginDir)
	if err != nil {
		o.turnDeaf(fmt.Errorf("the engine's network plugin cannot be served: %w", err))
		return o
	}
	ctx, cancel := context.WithCancel(context.Background())
	o.stop, o.served = cancel, make(chan struct{})
	go func() {
		defer close(o.served)
		if err := plugin.Serve(ctx, l, &o.driver, log); !errors.Is(err, context.Canceled) {
			o.turnDeaf(err)
		}
	}()
	return o
}

// turnDeaf notes that the engine cannot ask for networks any more.
func (o *overlays) turnDeaf(err error) {
	o.log.Warn("this node has no overlay networks", "err", err)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.deaf = err
}

// refuse notes why there is no data plane, until there is one.
func (o *overlays) refuse(err error) {
	o.mu.Lock()
	known := o.refusal != nil && o.refusal.Error() == err.Error()
	o.refusal = err
	o.mu.Unlock()
	if !known {
		o.log.Warn("this node has no overlay networks; it is tried again", "err", err)
	}
}

// adopt has everybody speak to a data plane; nil: to none.
func (o *overlays) adopt(r *running) {
	o.mu.Lock()
	up, missed := o.uplink, o.missed
	o.running, o.refusal, o.missed = r, nil, 0
	o.mu.Unlock()
	if r == nil {
		o.driver.Set(nil)
		return
	}
	o.driver.Set(r.plane)
	if up == nil {
		return
	}
	tellAll(r, up)
	if missed != 0 {
		up.FabricRefused(missed) // the next session begins with all there is
	}
}

// tellAll tells the managers what the data plane has said before.
func tellAll(r *running, up uplink) {
	if list := r.plane.GuestList(); list != nil {
		up.SetGuests(list)
	}
	if e := r.plane.Encryption(); e != nil {
		up.SetEncryption(e)
	}
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

// take gives the data plane the managers' word. A node that has none balances to nobody, and nobody is to wait for it.
func (o *overlays) take(f *wire.Fabric) {
	o.mu.Lock()
	r, up := o.running, o.uplink
	if r == nil {
		o.missed = f.Nonce
	}
	o.mu.Unlock()
	switch {
	case r != nil:
		r.plane.Fabric(f)
	case up != nil:
		up.FabricApplied(f.Nonce, f.Seq)
	}
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
	tellAll(r, u)
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

func (o *overlays) encryption(e *wire.Encryption) {
	if u := o.up(); u != nil {
		u.SetEncryption(e)
	}
}

// Driver implements [docker.DataPlane].
func (o *overlays) Driver() string { return plugin.Name }

// Usable implements [docker.DataPlane].
func (o *overlays) Usable() error {
	o.mu.Lock()
	refusal, r, joined := o.why(), o.running, o.joined
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

// why says why this node has no overlay networks; nil: it has, or it is in no cluster. The caller holds mu.
func (o *overlays) why() error {
	if o.deaf != nil {
		return o.deaf
	}
	return o.refusal
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
