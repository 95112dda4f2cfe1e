package controller

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/skep-org/skep/internal/csi"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/manager/volumes"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

const (
	// callLimit bounds one call. Storage may take minutes to make a volume: it goes on with it, and is asked again.
	callLimit = time.Minute
	// perDriver bounds the calls on one driver that are under way.
	perDriver  = 16
	retryFirst = 250 * time.Millisecond
	retryMost  = 15 * time.Second
	// againAfter is the pause before an outcome is written over a row that changed meanwhile.
	againAfter = 20 * time.Millisecond
)

// Caller makes one call; it returns soon after ctx has ended.
type Caller interface {
	Call(ctx context.Context, c volumes.Call, secrets map[string]string) volumes.Outcome
}

// Runner makes the calls of one leader's term.
type Runner struct {
	Store  *store.Store
	Commit store.Committer
	Caller Caller
	Env    env.Env
	Log    *slog.Logger
	Limit  time.Duration // of one call; 0: callLimit

	mu    sync.Mutex
	busy  map[model.ID]bool
	load  map[string]int // calls under way by driver
	fails map[callID]failing
	ended chan struct{} // holds a token when a call has ended
}

// callID tells calls apart that fail independently of each other.
type callID struct {
	volume, node model.ID
	kind         volumes.Kind
}

type failing struct {
	times int
	until time.Time
}

// New makes a runner that finds drivers on this node.
func New(s *store.Store, c store.Committer, d csi.Drivers, e env.Env, log *slog.Logger) *Runner {
	return &Runner{Store: s, Commit: c, Caller: calls{d}, Env: e, Log: log}
}

// Run makes calls until ctx ends, and returns when none is under way.
func (r *Runner) Run(ctx context.Context) error {
	r.busy, r.load, r.fails, r.ended = map[model.ID]bool{}, map[string]int{}, map[callID]failing{}, make(chan struct{}, 1)
	var under sync.WaitGroup
	defer under.Wait()
	for {
		changed := r.Store.Changed()
		next := r.begin(ctx, &under)
		if err := r.sleep(ctx, changed, next); err != nil {
			return err
		}
	}
}

func (r *Runner) sleep(ctx context.Context, changed <-chan struct{}, next time.Time) error {
	var timer <-chan time.Time
	if !next.IsZero() {
		var stop func()
		timer, stop = r.Env.NewTimer(next.Sub(r.Env.Now()))
		defer stop()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-changed:
	case <-r.ended:
	case <-timer:
	}
	return nil
}

// begin starts the calls that can be made now, and returns when the next one can be tried again.
func (r *Runner) begin(ctx context.Context, under *sync.WaitGroup) (next time.Time) {
	v, now := r.Store.View(), r.Env.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	for s := range store.VolumeStates.All(v) {
		if r.busy[s.VolumeID] {
			continue
		}
		for _, c := range volumes.Due(v, s.VolumeID) {
			if until := r.fails[idOf(c)].until; until.After(now) {
				if next.IsZero() || until.Before(next) {
					next = until
				}
				continue
			}
			driver := c.Volume.Driver()
			if r.load[driver] >= perDriver {
				break
			}
			r.busy[s.VolumeID] = true
			r.load[driver]++
			secrets, err := store.VolumeSecrets(v, c.Volume)
			under.Go(func() { r.one(ctx, c, secrets, err) })
			break
		}
	}
	return next
}

func idOf(c volumes.Call) callID { return callID{c.Volume.ID, c.Node.NodeID, c.Kind} }

// one makes a call and writes what became of it.
func (r *Runner) one(ctx context.Context, c volumes.Call, secrets map[string]string, err error) {
	limit := r.Limit
	if limit == 0 {
		limit = callLimit
	}
	o := volumes.Outcome{Err: err}
	if err == nil {
		within, cancel := context.WithTimeout(ctx, limit)
		o = r.Caller.Call(within, c, secrets)
		cancel()
	}
	if ctx.Err() == nil { // else the term is over, and the outcome perhaps that of being cut off
		if o.Err != nil {
			r.Log.Warn("a CSI driver's controller failed, it is asked again", "call", c.Kind, "volume", c.Volume.Name, "err", o.Err)
		}
		r.write(ctx, c, o)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.busy, c.Volume.ID)
	if r.load[c.Volume.Driver()]--; r.load[c.Volume.Driver()] == 0 {
		delete(r.load, c.Volume.Driver())
	}
	if o.Err == nil {
		delete(r.fails, idOf(c))
	} else {
		f := r.fails[idOf(c)]
		f.until = r.Env.Now().Add(min(retryFirst<<min(f.times, 10), retryMost))
		f.times++
		r.fails[idOf(c)] = f
	}
	select {
	case r.ended <- struct{}{}:
	default:
	}
}

// write puts an outcome into the volume's row, as it is by then. One that cannot be written is lost: the call is made again.
func (r *Runner) write(ctx context.Context, c volumes.Call, o volumes.Outcome) {
	for ctx.Err() == nil {
		s := store.VolumeStates.ByID(r.Store.View(), c.Volume.ID)
		if s == nil {
			return
		}
		next := volumes.Apply(s, c, o)
		if next == nil {
			return
		}
		_, err := r.Commit.Commit(&store.Batch{Writer: store.WriterVolumes, Conditions: []store.Condition{store.VolumeStates.At(s)},
			Changes: []store.Change{store.VolumeStates.Put(next)}}).Wait(ctx)
		if !errors.Is(err, store.ErrConflict) {
			if err != nil && ctx.Err() == nil {
				r.Log.Warn("what a CSI driver's controller did could not be written, it is asked again", "call", c.Kind, "volume", c.Volume.Name, "err", err)
			}
			return
		}
		if r.Env.Pause(ctx, againAfter) != nil {
			return
		}
	}
}
