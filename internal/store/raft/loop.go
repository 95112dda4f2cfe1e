package raft

import (
	"context"
	"errors"
)

// proposalsAtOnce bounds how long the loop takes proposals before it looks at anything else.
const proposalsAtOnce = 512

// loop is the one goroutine that touches the machine.
func (r *Replica) loop(ctx context.Context) error {
	defer r.end()
	tick, stop := r.opt.Env.NewTimer(TickInterval)
	defer func() { stop() }()
	for {
		if err := r.advance(); err != nil {
			return err
		}
		proposals := r.proposals
		if r.held != nil {
			proposals = nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick:
			r.machine.Tick()
			tick, stop = r.opt.Env.NewTimer(TickInterval)
		case p := <-proposals:
			r.propose(p)
		case msg := <-r.inbox:
			r.machine.Step(msg)
		case call := <-r.calls:
			call()
		case w := <-r.written:
			if err := r.machine.Wrote(w); err != nil {
				return err
			}
		case j := <-r.jobsDone:
			r.machine.Snapshotted(j)
		}
	}
}

// advance does what the machine asks for. Neither channel can be full: the machine has one write and one snapshot under
// way at a time.
func (r *Replica) advance() error {
	if p := r.held; p != nil {
		r.held = nil
		r.offer(*p)
	}
	out, err := r.machine.Advance()
	if err != nil {
		return err
	}
	if out.Write != nil {
		r.writes <- out.Write
	}
	if out.Snapshot != nil {
		r.jobs <- out.Snapshot
	}
	if len(out.Messages) > 0 && r.opt.Transport != nil {
		r.opt.Transport.Send(out.Messages)
	}
	for _, read := range out.Reads {
		if c := r.readers[read.Token]; c != nil {
			delete(r.readers, read.Token)
			c <- read.Index
		}
	}
	r.notify()
	return nil
}

func (r *Replica) propose(p proposal) {
	r.offer(p)
	for range proposalsAtOnce {
		if r.held != nil {
			return
		}
		select {
		case p := <-r.proposals:
			r.offer(p)
		default:
			return
		}
	}
}

// offer proposes what was queued in the present term. That of an earlier term is dropped: its proposer was told that
// the leadership ended.
func (r *Replica) offer(p proposal) {
	if l := r.machine.lead; p.term != l.Term || !l.Leading {
		return
	}
	if err := r.machine.Propose(p.data); errors.Is(err, ErrBusy) || errors.Is(err, ErrNotLeader) {
		// Not leader: a successor is being installed, and the end of this leadership, or of the attempt, is near.
		r.held = &p
	}
}

// end tells everybody who waits that nothing more will come.
func (r *Replica) end() {
	close(r.stopped)
	l := *r.lead.Load()
	if l.Leading || l.Leader != 0 {
		observed{r.opt.StateMachine, r}.Lead(Leadership{Term: l.Term})
	}
}
