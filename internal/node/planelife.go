package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network/check"
	"github.com/skep-org/skep/internal/network/dataplane"
	"github.com/skep-org/skep/internal/network/dns"
	"github.com/skep-org/skep/internal/network/kernel"
)

// life is that of a membership's data plane.
type life struct {
	node   model.ID
	cancel context.CancelFunc
	done   chan struct{}
	ended  *running // what ran when it was cancelled; read after done
}

// running is a data plane.
type running struct {
	plane   *dataplane.Plane
	kernel  *kernel.Kernel
	engine  *dataplane.Docker
	checker *check.Checker
	counts  *prometheus.Registry
}

// Names below the directories of a membership and of what lives as long as the kernel's objects.
const (
	fabricFile = "fabric"
	realmsFile = "engine-networks"
	placesDir  = "/run/skep/network"
)

// reopenWait is how long a data plane that could not be opened is left alone.
const reopenWait = 10 * time.Second

// begin has the data plane of a membership run until end is called. One that cannot be opened is tried again: what is in
// its way may be on its way out, such as a kernel module that is loaded late.
func (o *overlays) begin(ms membership) {
	o.mu.Lock()
	begun := o.life != nil && o.life.node == ms.Node || o.deaf != nil
	o.mu.Unlock()
	if begun {
		return
	}
	if err := o.end(context.Background(), false); err != nil {
		o.log.Warn("an earlier data plane did not end cleanly", "err", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	l := &life{node: ms.Node, cancel: cancel, done: make(chan struct{})}
	o.mu.Lock()
	o.life = l
	o.mu.Unlock()
	r, err := o.open(ms)
	if err == nil {
		o.adopt(r)
	}
	go func() {
		defer close(l.done)
		l.ended = o.keep(ctx, ms, r, err)
	}()
}

// keep has a data plane run until ctx ends, and returns the one that ran then.
func (o *overlays) keep(ctx context.Context, ms membership, r *running, err error) *running {
	for {
		if err == nil {
			err = r.run(ctx)
			if ctx.Err() != nil {
				return r
			}
			o.adopt(nil)
			err = errors.Join(fmt.Errorf("the data plane has ended: %w", err), r.close())
		}
		o.refuse(err)
		again, stop := o.env.NewTimer(o.reopen)
		select {
		case <-ctx.Done():
			stop()
			return nil
		case <-again:
		}
		if r, err = o.open(ms); err == nil {
			o.adopt(r)
		}
	}
}

func (o *overlays) open(ms membership) (*running, error) {
	k, err := kernel.New(o.kernel)
	if err != nil {
		return nil, err
	}
	if err := k.Probe(); err != nil {
		_ = os.Remove(o.kernel.Dir) // it is not empty if an earlier data plane has left something
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
		Places:   volatileDisk(filepath.Join(o.places, ms.Node.String())),
		Settings: ms.underlay, Taken: hostUses, Applied: o.applied, Refused: o.refused, Guests: o.guests,
		Encryption: o.encryption, Rotation: o.cfg.KeyRotation,
	})
	if err != nil {
		return nil, errors.Join(err, engine.Close(), k.Close())
	}
	counts.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "skep_network_connections_kept_total", Help: "Times that connections to containers that are gone could not be forgotten.",
	}, func() float64 { return float64(k.Kept()) }))
	checker := check.New(check.Config{Self: ms.Node, Fabric: plane.Known, Env: o.env, Log: o.log, Registry: counts, Encryption: plane.InForce, Inside: k.InEncryption})
	return &running{plane: plane, kernel: k, engine: engine, checker: checker, counts: counts}, nil
}

// run returns when ctx has ended or the plane has.
func (r *running) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	echoes := make(chan error, 1)
	go func() { echoes <- r.checker.Run(ctx) }()
	err := r.plane.Run(ctx)
	cancel()
	_ = <-echoes
	return err
}

func (r *running) close() error { return errors.Join(r.engine.Close(), r.kernel.Close()) }

// end ends the data plane. What it made in the kernel stays, unless the node leaves its cluster for good: then nothing is
// left, whether or not there was a data plane to end.
func (o *overlays) end(ctx context.Context, leaves bool) error {
	o.driver.Set(nil)
	o.mu.Lock()
	l := o.life
	o.life, o.running, o.refusal, o.uplink, o.missed = nil, nil, nil, nil, 0
	o.mu.Unlock()
	var errs []error
	if l != nil {
		l.cancel()
		<-l.done
		if r := l.ended; r != nil {
			if leaves {
				errs = append(errs, r.plane.Purge(ctx)) // it knows which containers of others were on networks
			}
			errs = append(errs, r.close())
		}
	}
	if leaves && errors.Join(errs...) == nil {
		errs = append(errs, o.sweep(ctx))
	}
	return errors.Join(errs...)
}

// sweep takes away what a data plane has left in the kernel since the machine started: its directory is there as long as
// there may be something.
func (o *overlays) sweep(ctx context.Context) error {
	if _, err := os.Stat(o.kernel.Dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	k, err := kernel.New(o.kernel)
	if err != nil {
		return err
	}
	if err := errors.Join(k.Purge(ctx), k.Close()); err != nil {
		return err
	}
	_ = os.Remove(o.kernel.Dir) // what somebody else put there keeps it, and a later start looks again
	return os.RemoveAll(o.places)
}

// idle makes a host that is in no cluster free of what an earlier membership has left: one that ended half way, or whose
// directory was removed by hand.
func (o *overlays) idle(ctx context.Context) {
	o.mu.Lock()
	deaf := o.deaf
	o.mu.Unlock()
	if deaf != nil {
		return // another daemon may look after this host's networks
	}
	if err := o.sweep(ctx); err != nil {
		o.log.Warn("what a cluster has left in this host's network cannot be removed", "err", err)
	}
}
