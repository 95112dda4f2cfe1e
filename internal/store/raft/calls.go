package raft

import (
	"context"
	"errors"
	"fmt"
	"io"

	pb "go.etcd.io/raft/v3/raftpb"
)

// ID is this member's.
func (r *Replica) ID() uint64 { return r.opt.Config.ID }

// Leadership is the newest known; it may be outdated when it is looked at.
func (r *Replica) Leadership() Leadership { return *r.lead.Load() }

// Propose queues data and returns at once. Without an error the data will be applied, or StateMachine.Lead tells that
// this member leads no more: then it may or may not be committed. A caller that waits for either must be known to the
// state machine before it proposes.
func (r *Replica) Propose(data []byte) error {
	if len(data) > MaxEntrySize {
		return ErrTooLarge
	}
	if len(data) == 0 {
		return errors.New("raft: an entry without data cannot be proposed; raft keeps those for itself")
	}
	l := r.Leadership()
	if !l.Leading {
		return ErrNotLeader
	}
	select {
	case <-r.stopped:
		return ErrStopped
	default:
	}
	select {
	case r.proposals <- proposal{term: l.Term, data: data}:
		return nil
	default:
		return ErrBusy
	}
}

// ReadIndex waits until the state machine is at least as new as it was anywhere at the time of the call, and returns an
// index that it has applied.
func (r *Replica) ReadIndex(ctx context.Context) (uint64, error) {
	answer := make(chan uint64, 1)
	var token uint64
	if err := r.do(ctx, func() {
		r.lastRead++
		token = r.lastRead
		r.readers[token] = answer
		r.machine.Read(token)
	}); err != nil {
		return 0, err
	}
	select {
	case index := <-answer:
		return index, nil
	case <-r.stopped:
		return 0, ErrStopped
	case <-ctx.Done():
		forget := func() { delete(r.readers, token) }
		if err := r.do(context.WithoutCancel(ctx), forget); err != nil {
			return 0, err
		}
		return 0, ctx.Err()
	}
}

// Status tells how this member and, if it leads, the others stand.
func (r *Replica) Status(ctx context.Context) (s Status, err error) {
	err = r.do(ctx, func() { s = r.machine.Status() })
	return s, err
}

// Change alters the members and returns when that is in force. An error after the start means that it may or may not
// come about; Status tells.
func (r *Replica) Change(ctx context.Context, c Change) error {
	return r.await(ctx, func() error { return r.machine.ProposeChange(c) }, func(m *Machine) (bool, error) {
		if !m.lead.Leading {
			return true, fmt.Errorf("raft: leadership was lost during the change of managers, which may or may not come about: %w", ErrNotLeader)
		}
		return !m.changing && !m.members.joint(), nil
	})
}

// transferTries is how often a successor is asked to lead, each time for as long as an election takes: one that has not yet
// applied the newest change of members does not answer.
const transferTries = 3

// Transfer hands leadership to a voter, to the one that has most of the log when to is 0, and returns when it is gone.
func (r *Replica) Transfer(ctx context.Context, to uint64) error {
	var err error
	for range transferTries {
		if err = r.transfer(ctx, to); !errors.Is(err, errStays) {
			return err
		}
	}
	return err
}

var errStays = errors.New("raft: leadership could not be handed over in time and stays here")

func (r *Replica) transfer(ctx context.Context, to uint64) error {
	return r.await(ctx, func() error { return r.machine.Transfer(to) }, func(m *Machine) (bool, error) {
		if !m.lead.Leading {
			return true, nil
		}
		if m.node.BasicStatus().LeadTransferee == 0 {
			return true, errStays
		}
		return false, nil
	})
}

// Step takes messages of other members, and loses them when too many wait. A message that announces a snapshot comes
// by StepSnapshot.
func (r *Replica) Step(msgs ...*pb.Message) {
	for _, msg := range msgs {
		select {
		case r.inbox <- msg:
		default:
			return
		}
	}
}

// StepSnapshot makes the body of a snapshot durable, then takes the message that announces it.
func (r *Replica) StepSnapshot(ctx context.Context, msg *pb.Message, body io.Reader) error {
	if msg.GetTo() != r.ID() {
		return fmt.Errorf("raft: a snapshot for member %x came to member %x, which another group may take for it: it is not kept", msg.GetTo(), r.ID())
	}
	err := r.opt.Log.WriteSnapshot(msg.GetSnapshot(), func(w io.Writer) error {
		_, err := io.Copy(interruptible{ctx, w}, body)
		return err
	})
	if err != nil {
		return err
	}
	return r.do(ctx, func() { r.machine.Step(msg) })
}

// OpenSnapshot reads the body of a snapshot that a message to another member announces.
func (r *Replica) OpenSnapshot(msg *pb.Message) (io.ReadCloser, error) {
	return r.opt.Log.OpenSnapshot(msg.GetSnapshot())
}

// Unreachable tells that messages to a member were lost.
func (r *Replica) Unreachable(ctx context.Context, id uint64) error {
	return r.do(ctx, func() { r.machine.Unreachable(id) })
}

// SnapshotSent tells whether an announced snapshot reached its member.
func (r *Replica) SnapshotSent(ctx context.Context, id uint64, ok bool) error {
	return r.do(ctx, func() { r.machine.SnapshotSent(id, ok) })
}
