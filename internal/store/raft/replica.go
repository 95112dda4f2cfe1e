package raft

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	pb "go.etcd.io/raft/v3/raftpb"
	"golang.org/x/sync/errgroup"

	"github.com/skep-org/skep/internal/env"
)

// ErrStopped answers calls on a replica whose Run has ended.
var ErrStopped = errors.New("raft: this manager is shutting down")

// Transport carries messages to other members. Send returns at once and may lose messages; what it knows to be lost it
// tells by [Replica.Unreachable]. A message of type MsgSnap announces a snapshot: the transport streams its body from
// [Replica.OpenSnapshot] ahead of it, and reports the outcome by [Replica.SnapshotSent].
type Transport interface {
	Send([]*pb.Message)
}

// Options are what a [Replica] is made of.
type Options struct {
	Config       Config // ID and Incarnation are set by OpenReplica
	Log          Log
	StateMachine StateMachine
	Transport    Transport // nil: a group of one, messages to others are lost
	Env          env.Env
	Queue        int // proposals that may wait; 0: 1024
}

// Replica is one member in production: a [Machine], its log and its clock. Its methods may be called from anywhere.
type Replica struct {
	opt     Options
	machine *Machine
	lead    atomic.Pointer[Leadership]

	proposals chan proposal
	held      *proposal // taken from the queue, refused with ErrBusy, to be tried again
	inbox     chan *pb.Message
	calls     chan func()
	writes    chan *Write
	written   chan *Write
	jobs      chan *SnapshotJob
	jobsDone  chan *SnapshotJob
	stopped   chan struct{}

	readers  map[uint64]chan uint64
	lastRead uint64
	watchers map[*watcher]bool
}

type proposal struct {
	term uint64
	data []byte
}

// OpenReplica loads the log and restores the state machine. Nothing happens until Run is called.
func OpenReplica(opt Options) (*Replica, error) {
	l, err := opt.Log.Load()
	if err != nil {
		return nil, err
	}
	var incarnation [8]byte
	if _, err := io.ReadFull(opt.Env.Rand, incarnation[:]); err != nil {
		return nil, fmt.Errorf("raft: no randomness to start with: %w", err)
	}
	opt.Config.ID, opt.Config.Incarnation = l.Identity.ID, binary.BigEndian.Uint64(incarnation[:])
	if opt.Queue == 0 {
		opt.Queue = 1024
	}
	r := &Replica{
		opt: opt, proposals: make(chan proposal, opt.Queue), inbox: make(chan *pb.Message, 1024), calls: make(chan func()),
		writes: make(chan *Write, 1), written: make(chan *Write, 1), jobs: make(chan *SnapshotJob, 1), jobsDone: make(chan *SnapshotJob, 1),
		stopped: make(chan struct{}), readers: map[uint64]chan uint64{}, watchers: map[*watcher]bool{},
	}
	r.lead.Store(&Leadership{})
	var body io.ReadCloser
	if l.Snapshot != nil {
		if body, err = opt.Log.OpenSnapshot(l.Snapshot); err != nil {
			return nil, err
		}
		defer body.Close()
	}
	r.machine, err = New(opt.Config, observed{opt.StateMachine, r}, l, body)
	return r, err
}

// Run owns the machine until ctx ends or the member cannot go on. It may be called once. Leadership is not handed over
// at the end: whoever stops a leader calls [Replica.Transfer] before.
func (r *Replica) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return r.loop(ctx) })
	group.Go(func() error { return r.write(ctx) })
	group.Go(func() error { return r.snapshot(ctx) })
	return group.Wait()
}

// write persists one write after the other.
func (r *Replica) write(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case w := <-r.writes:
			if err := w.Persist(r.opt.Log); err != nil {
				return fmt.Errorf("raft: the log cannot be written, so this manager stops: %w", err)
			}
			r.written <- w
		}
	}
}

// snapshot writes one snapshot after the other.
func (r *Replica) snapshot(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case j := <-r.jobs:
			write := j.Write
			j.Write = func(w io.Writer) error { return write(interruptible{ctx, w}) }
			if err := j.Run(r.opt.Log); err != nil {
				if ctx.Err() != nil {
					return nil //nolint:nilerr // it was interrupted, as it is to be
				}
				return fmt.Errorf("raft: a snapshot cannot be written, so this manager stops: %w", err)
			}
			r.jobsDone <- j
		}
	}
}

// interruptible ends a long snapshot when its replica stops.
type interruptible struct {
	ctx context.Context
	w   io.Writer
}

func (i interruptible) Write(p []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.w.Write(p)
}

// observed makes leadership known to callers before the state machine hears of it: a proposer that finds this member
// leading has not missed the news that it leads no more.
type observed struct {
	StateMachine
	r *Replica
}

func (o observed) Lead(l Leadership) {
	o.r.lead.Store(&l)
	o.StateMachine.Lead(l)
}

// Retention implements [Retainer] for a state machine that does.
func (o observed) Retention() Retention {
	if asked, can := o.StateMachine.(Retainer); can {
		return asked.Retention()
	}
	return Retention{}
}
