package agent

import (
	"context"
	"errors"
	"time"

	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/model"
)

// Kind is what an operation does.
type Kind uint8

// The operations, in the order they are served: what brings a task up soonest first.
const (
	none Kind = iota
	Start
	Prepare
	Stop
	Remove
	kinds
)

func (k Kind) String() string { return [...]string{"none", "start", "prepare", "stop", "remove"}[k] }

// OpID names an operation inside one Machine.
type OpID uint64

// Op is one call on the executor. Its outcome is handed to [Machine.Done].
type Op struct {
	ID   OpID
	Kind Kind
	Task model.ID
	Spec *executor.Task // of Prepare and Start

	begun bool
}

// Do carries an operation out; it is what a shell with goroutines calls.
func (o Op) Do(ctx context.Context, e executor.Executor) (executor.Container, error) {
	switch o.Kind {
	case Prepare:
		return e.Prepare(ctx, o.Spec)
	case Start:
		return e.Start(ctx, o.Spec)
	case Stop:
		return executor.Container{}, e.Stop(ctx, o.Task)
	}
	return executor.Container{}, e.Remove(ctx, o.Task)
}

// look brings one task up to date and asks for its next operation.
func (m *Machine) look(now time.Time, t *task, out *Output) {
	if t.op != nil && t.op.begun {
		// What happened to the container meanwhile counts; whether it is there is told by the operation's end.
		t.settle(now, m.set.synced)
		m.reconsider(t, out)
		m.noteReport(t)
		return
	}
	waiting := t.op
	t.op = nil
	if !m.up {
		m.noteReport(t)
		return
	}
	t.settle(now, m.set.synced)
	kind, later := t.want(now, m.set.synced)
	switch {
	case t.waits && (kind == Prepare || kind == Start): // for what a manager has yet to send
	case kind != none && t.retryAt.After(now):
		m.wake.Add(t.id, t.retryAt)
	case kind != none && waiting != nil && waiting.Kind == kind:
		t.op = waiting // it keeps its turn
	case kind != none:
		t.op = m.ops.add(kind, t.id)
		if kind == Prepare {
			t.move(model.StateAccepted, "", "")
		}
	case !later.IsZero():
		m.wake.Add(t.id, later)
	}
	m.noteReport(t)
}

// reconsider cancels a preparation, which may be a long pull, that is not wanted any more.
func (m *Machine) reconsider(t *task, out *Output) {
	unwanted := t.assigned == nil || t.desired() >= model.StateShutdown
	if t.op.Kind == Prepare && unwanted && !t.cancel {
		t.cancel = true
		out.Cancel = append(out.Cancel, t.op.ID)
	}
}

// dispatch begins waiting operations as far as there is room.
func (m *Machine) dispatch(now time.Time, out *Output) {
	if !m.up {
		return
	}
	for kind := Start; kind < kinds; kind++ {
		room := m.ops.limit[kind]
		for room.has(now) && len(m.ops.waiting[kind]) > 0 {
			op := m.ops.waiting[kind][0]
			m.ops.waiting[kind] = m.ops.waiting[kind][1:]
			t := m.tasks[op.Task]
			if t == nil || t.op != op || !m.begin(t) {
				continue
			}
			room.enter(op.ID, now)
			out.Ops = append(out.Ops, *op)
		}
	}
}

// begin fills in what an operation needs; without it the task is rejected.
func (m *Machine) begin(t *task) bool {
	switch t.op.Kind {
	case Prepare, Start:
		spec, err := m.build(t)
		if errors.Is(err, executor.ErrBusy) {
			t.op, t.waits = nil, true
			t.move(t.state, t.message, err.Error())
			m.noteReport(t)
			return false
		}
		if err != nil {
			t.op = nil
			t.move(model.StateRejected, "", err.Error())
			m.noteReport(t)
			return false
		}
		t.op.Spec = spec
		if t.op.Kind == Start {
			t.move(model.StateStarting, "", "")
		} else {
			t.reach(model.StatePreparing) // what it waits for is still to be read
		}
		m.noteReport(t)
	}
	t.op.begun, t.cancel = true, false
	return true
}

// endWaits lets the tasks try again that wait for something a manager sends.
func (m *Machine) endWaits() {
	for _, id := range m.ids() {
		if t := m.tasks[id]; t.waits {
			t.waits = false
			m.touch(id)
		}
	}
}

// Done takes an operation's outcome.
func (m *Machine) Done(now time.Time, id OpID, task model.ID, c executor.Container, err error) {
	t := m.tasks[task]
	if t == nil || t.op == nil || t.op.ID != id {
		return
	}
	op, cancelled := t.op, t.cancel
	m.ops.limit[op.Kind].leave(op.ID)
	t.op, t.cancel, t.fresh = nil, false, m.listing
	m.touch(task)
	defer m.freed(t)
	if err != nil {
		if cancelled || errors.Is(err, context.Canceled) {
			return
		}
		m.failed(now, t, op.Kind, err)
		return
	}
	t.failures, t.retryAt = 0, time.Time{}
	if t.err != "" && !t.state.Terminal() {
		t.move(t.state, "", "")
	}
	switch op.Kind {
	case Prepare:
		t.merge(c)
		t.prepared = true
		t.move(model.StateReady, "", "")
	case Start:
		t.merge(c)
	case Stop:
		t.stopped = now
		if t.assigned == nil {
			t.container.Phase = executor.Exited
		}
	case Remove:
		m.removed(t)
	}
}

// removed forgets a task whose container is gone, unless it was assigned again meanwhile.
func (m *Machine) removed(t *task) {
	t.has, t.prepared = false, false
	if t.assigned == nil {
		delete(m.tasks, t.id)
	}
}

// failed judges an operation that did not succeed: the engine's absence and what cannot be the task's fault is tried
// again, the rest ends the task with the engine's words.
func (m *Machine) failed(now time.Time, t *task, kind Kind, err error) {
	switch {
	case errors.Is(err, executor.ErrUnavailable):
		m.retry(now, t)
	case errors.Is(err, executor.ErrBusy):
		t.move(t.state, t.message, err.Error())
		m.retry(now, t)
	case errors.Is(err, executor.ErrNoContainer):
		t.has, t.prepared = false, false
		if kind != Stop {
			m.retry(now, t)
		}
	case kind == Prepare:
		t.move(model.StateRejected, "", err.Error())
	case kind == Start:
		t.move(model.StateFailed, "starting", "starting container failed: "+err.Error())
	default:
		if t.assigned != nil {
			t.move(t.state, t.message, kind.String()+" of the container failed, it is tried again: "+err.Error())
		}
		m.retry(now, t)
	}
}

const (
	retryFirst = 100 * time.Millisecond
	retryMost  = 10 * time.Second
)

func (m *Machine) retry(now time.Time, t *task) {
	wait := min(retryFirst<<min(t.failures, 10), retryMost)
	t.failures++
	t.retryAt = now.Add(wait)
}
