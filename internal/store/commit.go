package store

import (
	"context"
	"errors"
	"time"
)

// ErrNotLeader is the outcome of a batch handed to a member that does not lead: nothing was written.
var ErrNotLeader = errors.New("this manager does not lead the cluster")

// ErrUnknownOutcome is the outcome of a batch whose member lost the lead: it may or may not be written.
var ErrUnknownOutcome = errors.New("leadership changed while the write was under way: it may or may not have happened")

// Committer brings batches into the log. Commit does not block; batches of one caller are applied in the order it
// committed them. When a batch's outcome is known it is already visible in the store's views.
type Committer interface {
	Commit(*Batch) *Pending
}

// Pending is a batch under way.
type Pending struct {
	done  chan struct{}
	index uint64
	err   error
}

// NewPending is for Committers.
func NewPending() *Pending { return &Pending{done: make(chan struct{})} }

// Resolve says the outcome, once.
func (p *Pending) Resolve(index uint64, err error) {
	p.index, p.err = index, err
	close(p.done)
}

// Done is closed when the outcome is known.
func (p *Pending) Done() <-chan struct{} { return p.done }

// Result returns the outcome, if it is known: the log index and the error.
func (p *Pending) Result() (index uint64, known bool, err error) {
	select {
	case <-p.done:
		return p.index, true, p.err
	default:
		return 0, false, nil
	}
}

// Wait waits for the outcome. When ctx ends first the batch may still be written.
func (p *Pending) Wait(ctx context.Context) (uint64, error) {
	select {
	case <-p.done:
		return p.index, p.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// Direct is a Committer without a log, for tests of what stands above the store: every batch makes the trip through
// its encoded form and is applied at once. It belongs to one goroutine.
type Direct struct {
	Store *Store
	Now   func() time.Time
}

// Commit implements [Committer].
func (d Direct) Commit(b *Batch) *Pending {
	p := NewPending()
	raw, err := EncodeEntry(Entry{Time: d.Now().UnixNano(), Batch: b})
	if err != nil {
		p.Resolve(0, err)
		return p
	}
	e, err := DecodeEntry(raw)
	if err != nil {
		p.Resolve(0, err)
		return p
	}
	index := d.Store.View().Index() + 1
	p.Resolve(index, d.Store.Apply(index, e))
	return p
}
