package simulated

import (
	"container/heap"
	"slices"
	"time"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/model"
)

// Kind is what an operation does.
type Kind uint8

// The operations, as those of [executor.Executor].
const (
	Prepare Kind = iota + 1
	Start
	Stop
	Remove
)

// Op is an operation on a task.
type Op struct {
	Kind Kind
	ID   model.ID
	Task *executor.Task // for Prepare and Start
}

// Event is what has become due: an operation's end, or (Op is nil) a container's change.
type Event struct {
	At        time.Time
	Op        *Op
	Container executor.Container // the operation's result, or the container after its change
	Err       error              // of the operation
}

// Machine is the engine. It belongs to one goroutine.
type Machine struct {
	config Config
	dice   dice

	containers map[model.ID]*box
	flows      map[model.ID][]waiting // a task's operations; the first has begun
	submitted  uint64
	queue      queue
	seq        uint64 // orders what is due at one moment
	pid        int
	port       uint32
	lost       bool
	out        []Event
}

// box is a container.
type box struct {
	executor.Container
	task   *executor.Task
	behave Behaviour
}

// waiting is an operation that has not ended, with its place in the order of submission.
type waiting struct {
	op  *Op
	seq uint64
}

// NewMachine makes an engine without containers. Only the randomness of w is used.
func NewMachine(w env.Env, config Config) *Machine {
	return &Machine{
		config: config, dice: dice{w.Rand}, containers: map[model.ID]*box{}, flows: map[model.ID][]waiting{},
		pid: 1000, port: 32767,
	}
}

// Submit begins an operation, as soon as those submitted before for its task have ended. Its own end becomes due later.
func (m *Machine) Submit(op *Op, now time.Time) {
	if m.lost {
		m.tell(Event{At: now, Op: op, Err: executor.ErrUnavailable})
		return
	}
	m.submitted++
	m.flows[op.ID] = append(m.flows[op.ID], waiting{op, m.submitted})
	if len(m.flows[op.ID]) == 1 {
		m.begin(op, now)
	}
}

// begin decides how long an operation takes.
func (m *Machine) begin(op *Op, now time.Time) {
	var takes time.Duration
	switch op.Kind {
	case Prepare:
		takes = m.dice.from(m.config.Prepare)
	case Start:
		takes = m.dice.from(m.config.Start)
	case Remove:
		takes = m.dice.from(m.config.Remove)
	case Stop:
		if b := m.containers[op.ID]; b != nil && b.Phase == executor.Running {
			takes = min(b.behave.StopTakes, grace(b.task))
		}
	}
	m.at(now.Add(takes), func(now time.Time) { m.finish(op, now) }, op)
}

// finish applies an operation, tells its result and lets the task's next one begin.
func (m *Machine) finish(op *Op, now time.Time) {
	c, err := m.apply(op, now)
	m.tell(Event{At: now, Op: op, Container: c, Err: err})
	rest := m.flows[op.ID][1:]
	if len(rest) == 0 {
		delete(m.flows, op.ID)
		return
	}
	m.flows[op.ID] = rest
	m.begin(rest[0].op, now)
}

// Due returns what has happened until now, in order.
func (m *Machine) Due(now time.Time) []Event {
	for len(m.queue) > 0 && !m.queue[0].at.After(now) {
		item := heap.Pop(&m.queue).(*item)
		item.do(item.at)
	}
	out := m.out
	m.out = nil
	return out
}

// Next returns when something becomes due, if anything will.
func (m *Machine) Next() (time.Time, bool) {
	if len(m.out) > 0 {
		return m.out[0].At, true
	}
	if len(m.queue) == 0 {
		return time.Time{}, false
	}
	return m.queue[0].at, true
}

// List returns the containers, ordered by task.
func (m *Machine) List() ([]executor.Container, error) {
	if m.lost {
		return nil, executor.ErrUnavailable
	}
	list := make([]executor.Container, 0, len(m.containers))
	for _, b := range m.containers {
		list = append(list, b.Container)
	}
	slices.SortFunc(list, func(a, b executor.Container) int { return a.TaskID.Compare(b.TaskID) })
	return list, nil
}

func (m *Machine) at(t time.Time, do func(time.Time), op *Op) {
	m.seq++
	heap.Push(&m.queue, &item{at: t, seq: m.seq, do: do, op: op})
}

// changed tells of a container's change, unless nobody can hear of it.
func (m *Machine) changed(c executor.Container, now time.Time) {
	if !m.lost {
		m.tell(Event{At: now, Container: c})
	}
}

func (m *Machine) tell(e Event) { m.out = append(m.out, e) }
