package dataplane

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network"
	"github.com/skep-org/skep/internal/network/dns"
	"github.com/skep-org/skep/internal/network/plugin"
	"github.com/skep-org/skep/internal/wire"
	"golang.org/x/sync/errgroup"
)

// Plane is one node's data plane. It implements [plugin.Driver].
type Plane struct {
	cfg   Config
	count *counters
	wake  chan struct{} // the loop has something to do
	look  chan struct{} // the engine is to be asked what it has
	save  chan struct{} // the fabric is to be saved
	over  chan struct{} // closed when the plane runs no more

	mu       sync.Mutex
	changed  chan struct{} // closed, and made anew, with every change that somebody may wait for
	fabric   *network.Fabric
	realms   map[string]model.ID // the cluster's networks by the engine's id
	places   map[string]*place   // by the engine's id
	works    map[string]bool     // the places that kernel and names know of
	said     []*wire.Fabric      // messages that are still to be applied
	jobs     []job
	looked   bool // the engine has told what it has
	known    bool // the managers have said something, to this plane or to an earlier one
	inherits bool // the kernel is as an earlier plane has left it
	dirty    bool
	last     *network.Desired // the last that the kernel took
	broken   error            // why it did not take a later one
	names    map[model.ID]bool

	settings network.Settings // written by the loop alone
	cipher   *wire.Encryption // what was said of the encryption last; nil: nothing yet

	// Of the loop's goroutine.
	planned  *network.Desired
	zones    *dns.Zones
	standing map[string]bool // paths that are namespaces
	awaited  map[string]time.Time
	servers  map[model.ID]*server
	heard    ack
	refused  uint64 // the session whose messages are no use any more
	retryAt  time.Time
	failures int
	auditAt  time.Time
	auditing bool
	holdTo   time.Time // until when the kernel is left as it was found; zero: it is not
	serving  *errgroup.Group
	ring     ring
}

// ack is what a session waits for.
type ack struct{ nonce, seq uint64 }

// job is something the loop does for somebody who waits.
type job struct {
	do   func(context.Context)
	done chan struct{}
}

var _ plugin.Driver = (*Plane)(nil)

// errOver is said to a call that came as the daemon ended.
var errOver = errors.New("skep is just ending on this node: try again")

// New makes a plane that knows what an earlier one of the node kept. Nothing is done until it runs.
func New(cfg Config) (*Plane, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	p := &Plane{
		cfg: cfg, count: newCounters(cfg.Registry), wake: make(chan struct{}, 1), look: make(chan struct{}, 1), save: make(chan struct{}, 1),
		over: make(chan struct{}), changed: make(chan struct{}), works: map[string]bool{}, dirty: true, names: map[model.ID]bool{},
		standing: map[string]bool{}, awaited: map[string]time.Time{}, servers: map[model.ID]*server{},
	}
	p.recall()
	return p, nil
}

// Run looks after the node's networks until ctx ends, and leaves them as they are. It is called once.
func (p *Plane) Run(ctx context.Context) error {
	defer close(p.over)
	g, ctx := errgroup.WithContext(ctx)
	p.serving = g
	g.Go(func() error { return p.loop(ctx) })
	g.Go(func() error { return p.watchEngine(ctx) })
	g.Go(func() error { return p.lookAfterEngine(ctx) })
	g.Go(func() error { return p.saveLoop(ctx) })
	g.Go(func() error { return p.watchKernel(ctx) })
	return g.Wait()
}

// Driver is the name that the engine knows the plane's plugin by.
func (p *Plane) Driver() string { return plugin.Name }

// loop is the only goroutine that has kernel and names changed.
func (p *Plane) loop(ctx context.Context) error {
	p.auditAt = p.cfg.Env.Now().Add(p.cfg.AuditEvery)
	p.inheritKeys()
	p.resettle()
	p.hold(ctx)
	for {
		p.work(ctx)
		p.hear()
		p.tendKeys()
		next := p.watchSandboxes()
		if p.isDirty() && !p.cfg.Env.Now().Before(p.retryAt) && !p.holds() {
			p.settle(ctx)
		}
		p.sayKeys()
		if !p.auditing && !p.cfg.Env.Now().Before(p.auditAt) {
			p.audit(ctx)
		}
		if err := p.sleep(ctx, p.nextTime(next)); err != nil {
			return err
		}
	}
}

// nextTime is when the loop goes on though nobody wakes it.
func (p *Plane) nextTime(next time.Time) time.Time {
	if next.IsZero() {
		next = p.cfg.Env.Now().Add(p.cfg.AuditEvery)
	}
	if !p.auditing && p.auditAt.Before(next) {
		next = p.auditAt
	}
	if !p.ring.lookAt.IsZero() && p.ring.lookAt.Before(next) {
		next = p.ring.lookAt
	}
	if held := p.holds(); p.isDirty() && !held && p.retryAt.Before(next) {
		next = p.retryAt
	} else if held && p.holdTo.Before(next) {
		next = p.holdTo
	}
	return next
}

func (p *Plane) sleep(ctx context.Context, until time.Time) error {
	timer, stop := p.cfg.Env.NewTimer(max(0, until.Sub(p.cfg.Env.Now())))
	defer stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-p.wake:
	case <-timer:
	}
	return nil
}

// do has the loop call f and waits for it.
func (p *Plane) do(ctx context.Context, f func(context.Context)) error {
	j := job{f, make(chan struct{})}
	p.mu.Lock()
	p.jobs = append(p.jobs, j)
	p.mu.Unlock()
	poke(p.wake)
	select {
	case <-j.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-p.over:
		return errOver
	}
}

// work does what was asked of the loop.
func (p *Plane) work(ctx context.Context) {
	p.mu.Lock()
	jobs := p.jobs
	p.jobs = nil
	p.mu.Unlock()
	for _, j := range jobs {
		j.do(ctx)
		close(j.done)
	}
}

// touch has the loop bring kernel and names up to date, and tells who waits for a change. The caller holds mu.
func (p *Plane) touch() {
	p.dirty = true
	p.tell()
	poke(p.wake)
}

// tell tells who waits for a change. The caller holds mu.
func (p *Plane) tell() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// until returns when ok, called with mu held, says so; an error of it is returned as it is.
func (p *Plane) until(ctx context.Context, ok func() (bool, error)) error {
	for {
		p.mu.Lock()
		done, err := ok()
		changed := p.changed
		p.mu.Unlock()
		if done || err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-p.over:
			return errOver
		}
	}
}

// isDirty reports whether kernel and names are to be brought up to date. A plane that knows nothing of what the managers
// want leaves alone what it finds.
func (p *Plane) isDirty() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dirty && p.known
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
