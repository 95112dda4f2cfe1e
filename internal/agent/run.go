package agent

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/wire"
	"golang.org/x/sync/errgroup"
)

// Disk keeps one piece of an agent's memory. Save replaces what was kept; a crash leaves the old or the new.
type Disk interface {
	Load() ([]byte, error) // nil: nothing was kept
	Save([]byte) error
}

// ErrRemoved is returned by [Agent.Run] when the managers say that the node was removed from the cluster. The node's
// containers run still; the managers count them as gone and have replaced them, so whoever runs the agent ends them.
var ErrRemoved = errors.New("this node was removed from its cluster")

// ErrLeaving is the cause to end [Agent.Run]'s context with when the node leaves the cluster: its tasks are replaced at
// once, where after any other end the managers wait for its return.
var ErrLeaving = errors.New("this node leaves its cluster")

// Config is what an agent's shell needs. Its functions are called by Run's goroutine: they hand on and return.
type Config struct {
	Options
	Env      env.Env
	Executor executor.Executor
	Dialer   wire.Dialer
	Disk     Disk // nil: nothing is kept
	Log      *slog.Logger

	Peers     func(Peers)           // the managers or the node's role changed; nil: nobody wants to know
	OpenLogs  func(*wire.OpenLogs)  // a manager wants output of this node's tasks; nil: it gets none
	CloseLogs func(stream model.ID) // a manager wants no more of it
	Question  func(*wire.Question)  // a manager wants to know something of the node; nil: it gets no answer
	Networks  func(keep []model.ID) // no task needs other networks any more; nil: nobody wants to know

	// Underlay is the address that other nodes are to send overlay packets to, asked for each session; nil, or empty: the
	// one that the managers see the session come from.
	Underlay func() string

	// Volumes carries out what is to be done of cluster volumes, each operation from a goroutine of its own; nil: nothing can be.
	Volumes Volumes

	// Fabric takes what the managers say of the networks, in order; each message is whole, however it travelled. It is
	// answered with FabricApplied, or FabricRefused. nil: the node has no data plane, and balances to nobody.
	Fabric func(*wire.Fabric)
}

// Agent runs a Machine: it owns the goroutines that wait for the engine, the manager and the disk.
type Agent struct {
	cfg     Config
	machine *Machine

	mu     sync.Mutex
	inbox  []func(now time.Time) // what happened, to be told to the machine by Run's goroutine
	wake   chan struct{}
	toSave []byte
	saves  chan struct{}

	session wire.Session // of Run's goroutine
	parting bool         // the bye was sent; set before the session's keeper is told that all was said
	cancels map[OpID]context.CancelFunc
}

// NewAgent reads what an earlier agent of this node kept.
func NewAgent(cfg Config) (*Agent, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	var saved []byte
	if cfg.Disk != nil {
		var err error
		if saved, err = cfg.Disk.Load(); err != nil {
			return nil, err
		}
	}
	m, err := New(cfg.Options, saved)
	if err != nil {
		// A manager sends all of it again.
		cfg.Log.Warn("the saved assignments cannot be read and are left aside", "error", err)
		if m, err = New(cfg.Options, nil); err != nil {
			return nil, err
		}
	}
	return &Agent{
		cfg: cfg, machine: m, wake: make(chan struct{}, 1), saves: make(chan struct{}, 1), cancels: map[OpID]context.CancelFunc{},
	}, nil
}

// Run runs the node's tasks until ctx ends, or the node is removed from the cluster: then it returns [ErrRemoved].
// Containers run on afterwards. It is called once.
func (a *Agent) Run(ctx context.Context) error {
	asked := ctx
	over := make(chan struct{})
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return a.watchEngine(ctx) })
	g.Go(func() error { return a.keepSession(ctx, over) })
	if a.cfg.Disk != nil {
		g.Go(func() error { return a.saveLoop(ctx) })
	}
	g.Go(func() error {
		defer close(over)
		err := a.loop(ctx, g)
		if asked.Err() != nil {
			a.farewell(context.Cause(asked))
		}
		return err
	})
	return g.Wait()
}

// loop is the only goroutine that touches the machine.
func (a *Agent) loop(ctx context.Context, g *errgroup.Group) error {
	for {
		for _, tell := range a.take() {
			tell(a.cfg.Env.Now())
		}
		out, next := a.machine.Step(a.cfg.Env.Now())
		a.carryOut(ctx, g, out)
		if out.Removed {
			return ErrRemoved
		}
		if err := a.sleep(ctx, next); err != nil {
			return err
		}
	}
}

func (a *Agent) sleep(ctx context.Context, next time.Time) error {
	var timer <-chan time.Time
	if !next.IsZero() {
		var stop func()
		timer, stop = a.cfg.Env.NewTimer(next.Sub(a.cfg.Env.Now()))
		defer stop()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-a.wake:
	case <-timer:
	}
	return nil
}

func (a *Agent) carryOut(ctx context.Context, g *errgroup.Group, out Output) {
	for _, id := range out.Cancel {
		if cancel := a.cancels[id]; cancel != nil {
			cancel()
		}
	}
	for _, op := range out.Ops {
		a.operate(ctx, g, op)
	}
	for _, op := range out.Volumes {
		a.operateVolume(ctx, g, op)
	}
	if out.Save != nil && a.cfg.Disk != nil {
		a.mu.Lock()
		a.toSave = out.Save
		a.mu.Unlock()
		poke(a.saves)
	}
	a.handOn(out)
	if a.session == nil {
		return
	}
	for _, msg := range out.Send {
		if err := a.session.Send(msg); err != nil {
			out.Hangup = true
			break
		}
	}
	if out.Hangup {
		a.session.Close()
	}
}

// handOn gives the node what is not the agent's business.
func (a *Agent) handOn(out Output) {
	if out.Peers != nil && a.cfg.Peers != nil {
		a.cfg.Peers(*out.Peers)
	}
	for _, msg := range out.OpenLogs {
		if a.cfg.OpenLogs != nil {
			a.cfg.OpenLogs(msg)
		}
	}
	if out.Networks != nil && a.cfg.Networks != nil {
		a.cfg.Networks(*out.Networks)
	}
	for _, f := range out.Fabric {
		if a.cfg.Fabric == nil {
			a.FabricApplied(f.Nonce, f.Seq) // it balances to nobody, and nobody is to wait for it
			continue
		}
		a.cfg.Fabric(f)
	}
	for _, stream := range out.CloseLogs {
		if a.cfg.CloseLogs != nil {
			a.cfg.CloseLogs(stream)
		}
	}
	for _, q := range out.Questions {
		if a.cfg.Question != nil {
			a.cfg.Question(q)
		}
	}
}

// operate carries one operation out beside the others; the machine bounds how many there are.
func (a *Agent) operate(ctx context.Context, g *errgroup.Group, op Op) {
	ctx, cancel := context.WithCancel(ctx)
	a.cancels[op.ID] = cancel
	g.Go(func() error {
		c, err := op.Do(ctx, a.cfg.Executor)
		a.tell(func(now time.Time) {
			cancel()
			delete(a.cancels, op.ID)
			if err != nil {
				a.cfg.Log.Debug("operation failed", "operation", op.Kind, "task", op.Task, "error", err)
			}
			a.machine.Done(now, op.ID, op.Task, c, err)
		})
		return nil
	})
}

// Certified says which authority the node's certificate is of, and what the node trusts: it is told to the managers with
// the node's description. It may be called from any goroutine, and before Run.
func (a *Agent) Certified(info swarm.TLSInfo) {
	a.tell(func(time.Time) { a.machine.Certified(info) })
}

// FabricApplied says that the node's data plane is as of a message that [Config.Fabric] was given, and of all before it.
// Like FabricRefused and SetGuests it may be called from any goroutine, and at any time.
func (a *Agent) FabricApplied(nonce, seq uint64) {
	a.tell(func(time.Time) { a.machine.FabricApplied(nonce, seq) })
}

// FabricRefused says that the data plane cannot make sense of a message: the session that brought it ends, the next one
// brings everything anew.
func (a *Agent) FabricRefused(nonce uint64) {
	a.tell(func(time.Time) { a.machine.FabricRefused(nonce) })
}

// SetEncryption says how the node carries encrypted networks, and by which keys: always all of it. The message must not be
// changed any more.
func (a *Agent) SetEncryption(e *wire.Encryption) {
	a.tell(func(time.Time) { a.machine.SetEncryption(e) })
}

// SetGuests says which containers that no task runs are on the cluster's networks: always all of them. The message must
// not be changed afterwards. Until it is called the managers keep to what they knew of this node.
func (a *Agent) SetGuests(g *wire.Guests) {
	a.tell(func(time.Time) { a.machine.SetGuests(g) })
}

// tell has Run's goroutine call f.
func (a *Agent) tell(f func(now time.Time)) {
	a.mu.Lock()
	a.inbox = append(a.inbox, f)
	a.mu.Unlock()
	poke(a.wake)
}

func (a *Agent) take() []func(time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	in := a.inbox
	a.inbox = nil
	return in
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (a *Agent) nonce() uint64 {
	id := a.cfg.Env.NewID()
	return binary.BigEndian.Uint64(id[:8])
}

func (a *Agent) saveLoop(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-a.saves:
		}
		a.mu.Lock()
		b := a.toSave
		a.mu.Unlock()
		if err := a.cfg.Disk.Save(b); err != nil {
			// Only an agent that starts while no manager answers would miss them.
			a.cfg.Log.Warn("the node's assignments cannot be saved", "error", err)
		}
	}
}
