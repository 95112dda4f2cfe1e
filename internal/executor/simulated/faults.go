package simulated

import (
	"cmp"
	"container/heap"
	"slices"
	"time"

	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/model"
)

// Crash ends a task's running container by itself.
func (m *Machine) Crash(task model.ID, code int, oom bool, now time.Time) {
	if b := m.containers[task]; b != nil {
		m.exit(b, code, oom, now)
	}
}

// Sicken makes a task's running container with a healthcheck unhealthy.
func (m *Machine) Sicken(task model.ID, log string, now time.Time) {
	if b := m.containers[task]; b != nil {
		m.health(b, executor.Unhealthy, log, now)
	}
}

// Vanish removes a task's container as somebody with the docker CLI might.
func (m *Machine) Vanish(task model.ID, now time.Time) {
	if b := m.containers[task]; b != nil {
		m.remove(b, now)
	}
}

// Lose makes the engine unreachable. Operations under way fail with [executor.ErrUnavailable]; whether they took effect
// is left to chance. Containers live on unseen.
func (m *Machine) Lose(now time.Time) {
	if m.lost {
		return
	}
	m.lost = true
	begun := m.queue
	m.queue = nil
	for _, i := range slices.SortedFunc(slices.Values(begun), compareItems) {
		if i.op == nil {
			heap.Push(&m.queue, i)
		} else if m.dice.hits(500) {
			_, _ = m.apply(i.op, now)
		}
	}
	var ops []waiting
	for _, flow := range m.flows {
		ops = append(ops, flow...)
	}
	clear(m.flows)
	slices.SortFunc(ops, func(a, b waiting) int { return cmp.Compare(a.seq, b.seq) })
	for _, w := range ops {
		m.tell(Event{At: now, Op: w.op, Err: executor.ErrUnavailable})
	}
}

// Recover makes the engine reachable again.
func (m *Machine) Recover() { m.lost = false }

// Lost reports whether the engine is unreachable.
func (m *Machine) Lost() bool { return m.lost }
