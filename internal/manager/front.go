package manager

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/skep-org/skep/internal/manager/roles"
	"github.com/skep-org/skep/internal/store"
)

const (
	// LeaderWait is how long a request waits for the cluster to have a leader: longer than an election takes, and short
	// enough that who asks a cluster without one has his answer within five seconds.
	LeaderWait = 4 * time.Second
	// LeaderRetry is how soon a leader that could not be reached is looked for again.
	LeaderRetry = 100 * time.Millisecond
)

// ErrNoLeader is said when no leader was found in time: most of the managers are down, or cannot reach each other.
var ErrNoLeader = errors.New("the cluster has no leader: a majority of its managers must be up and reach each other")

// Front is the cluster's state as this manager's API sees it: reads see all that was acknowledged anywhere, writes go
// to whoever leads. A write that found no leader is tried again; one that may have happened is not.
type Front struct {
	*Manager
	// Forward commits a batch at the leader, another manager. store.ErrNotLeader means that nothing was written.
	Forward func(context.Context, *store.Batch) (index uint64, err error)
	// LeaderView asks the leader, another manager, who of the managers answers. store.ErrNotLeader: it was not told.
	LeaderView func(context.Context) (roles.Group, error)
}

// Commit implements [store.Committer].
func (f Front) Commit(b *store.Batch) *store.Pending {
	if f.Leading() {
		p := f.Manager.Commit(b)
		if _, known, err := p.Result(); !known || !errors.Is(err, store.ErrNotLeader) {
			return p
		}
	}
	p := store.NewPending()
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), LeaderWait)
		defer cancel()
		p.Resolve(f.deliver(ctx, b))
	}()
	return p
}

// deliver finds the leader and commits there; what it wrote is visible here when it returns.
func (f Front) deliver(ctx context.Context, b *store.Batch) (uint64, error) {
	for {
		l, changed := f.replicated.leadership()
		index, err := uint64(0), store.ErrNotLeader
		switch {
		case l.Leading:
			index, err = f.Manager.Commit(b).Wait(ctx)
		case l.Leader != 0 && f.Forward != nil:
			index, err = f.forward(ctx, changed, b)
		}
		if err == nil {
			return index, f.await(ctx, index)
		}
		if !errors.Is(err, store.ErrNotLeader) {
			return index, err
		}
		retry, stop := f.opt.Env.NewTimer(LeaderRetry)
		select {
		case <-changed:
		case <-retry:
		case <-ctx.Done():
			stop()
			return 0, ErrNoLeader
		}
		stop()
	}
}

// forward gives up on a leader that is none any more: one that lost power would keep the request until TCP notices.
func (f Front) forward(ctx context.Context, changed <-chan struct{}, b *store.Batch) (uint64, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-changed:
			cancel()
		case <-ctx.Done():
		}
	}()
	index, err := f.Forward(ctx, b)
	if errors.Is(err, context.Canceled) {
		err = store.ErrUnknownOutcome
	}
	return index, err
}

// await returns when this member has applied the log up to index: whoever wrote reads its own write.
func (f Front) await(ctx context.Context, index uint64) error {
	for {
		changed := f.store.Changed()
		if f.store.View().Index() >= index {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("the write is done, and this manager has not seen it yet: %w", store.ErrUnknownOutcome)
		}
	}
}

// Fresh returns a view that holds everything acknowledged anywhere in the cluster before the call.
func (f Front) Fresh(ctx context.Context) (store.View, error) {
	ctx, cancel := context.WithTimeout(ctx, LeaderWait)
	defer cancel()
	began := f.opt.Env.Now()
	v, err := f.Manager.Fresh(ctx)
	f.opt.Times.Read(f.opt.Env.Now().Sub(began))
	if errors.Is(err, context.DeadlineExceeded) {
		err = ErrNoLeader
	}
	return v, err
}

// Propose commits what another manager forwards. Only what requests write is taken: the stages' tables are written by
// the stages that run beside the leader.
func (m *Manager) Propose(ctx context.Context, b *store.Batch) (uint64, error) {
	switch b.Writer {
	case store.WriterAPI, store.WriterIdentity, store.WriterJoin, store.WriterRegistry:
		return m.Commit(b).Wait(ctx)
	}
	return 0, fmt.Errorf("%s's rows are written at the leader only: %w", b.Writer, store.ErrWriter)
}
