package simulated

import (
	"encoding/hex"
	"fmt"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/executor"
)

// killed is the exit code of a container that did not end in its grace period.
const killed = 137

func (m *Machine) apply(op *Op, now time.Time) (executor.Container, error) {
	b := m.containers[op.ID]
	switch op.Kind {
	case Prepare:
		return m.prepare(b, op.Task, now)
	case Start:
		if b == nil {
			return executor.Container{}, executor.ErrNoContainer
		}
		return m.start(b, now)
	case Stop:
		if b == nil {
			return executor.Container{}, executor.ErrNoContainer
		}
		code := 0
		if b.behave.StopTakes > grace(b.task) {
			code = killed
		}
		m.exit(b, code, false, now)
		return b.Container, nil
	case Remove:
		if b != nil {
			m.remove(b, now)
		}
		return executor.Container{}, nil
	}
	panic(fmt.Sprintf("simulated: no operation %d", op.Kind))
}

func (m *Machine) prepare(b *box, t *executor.Task, now time.Time) (executor.Container, error) {
	if b != nil {
		return b.Container, nil
	}
	behave := m.behaviour(t)
	if behave.PrepareErr != nil {
		return executor.Container{}, behave.PrepareErr
	}
	var id [32]byte
	m.dice.read(id[:])
	b = &box{Container: executor.Container{TaskID: t.ID, ID: hex.EncodeToString(id[:])}, task: t, behave: behave}
	m.containers[t.ID] = b
	m.changed(b.Container, now)
	return b.Container, nil
}

func (m *Machine) start(b *box, now time.Time) (executor.Container, error) {
	if b.Phase != executor.Created {
		return b.Container, nil
	}
	if b.behave.StartErr != nil {
		return executor.Container{}, b.behave.StartErr
	}
	ports, err := m.bind(b.task)
	if err != nil {
		return executor.Container{}, err
	}
	m.pid++
	b.Phase, b.PID, b.Ports = executor.Running, m.pid, ports
	if checked(b.task) {
		b.Health = executor.HealthStarting
		m.at(now.Add(b.behave.CheckAfter), func(now time.Time) { m.checkedNow(b, now) }, nil)
	}
	if b.behave.RunFor > 0 {
		m.at(now.Add(b.behave.RunFor), func(now time.Time) { m.exit(b, b.behave.ExitCode, b.behave.OutOfMemory, now) }, nil)
	}
	m.changed(b.Container, now)
	return b.Container, nil
}

// bind publishes a task's ports, each of which one container can have at a time.
func (m *Machine) bind(t *executor.Task) ([]swarm.PortConfig, error) {
	var ports []swarm.PortConfig
	for _, p := range t.Ports {
		if p.PublishedPort == 0 {
			m.port++
			p.PublishedPort = m.port
		}
		for _, other := range m.containers {
			for _, taken := range other.Ports {
				if taken.PublishedPort == p.PublishedPort && taken.Protocol == p.Protocol {
					return nil, fmt.Errorf("simulated: port %d is already allocated", p.PublishedPort)
				}
			}
		}
		ports = append(ports, p)
	}
	return ports, nil
}

func (m *Machine) checkedNow(b *box, now time.Time) {
	if b.behave.Sick {
		m.health(b, executor.Unhealthy, "simulated: sick", now)
	} else {
		m.health(b, executor.Healthy, "", now)
	}
}

func (m *Machine) health(b *box, h executor.Health, log string, now time.Time) {
	if b.Phase != executor.Running || b.Health == executor.NoCheck {
		return
	}
	b.Health, b.HealthLog = h, log
	m.changed(b.Container, now)
}

// exit ends a container that runs.
func (m *Machine) exit(b *box, code int, oom bool, now time.Time) {
	if b.Phase != executor.Running {
		return
	}
	b.Phase, b.PID, b.ExitCode, b.OOMKilled, b.Ports, b.Health = executor.Exited, 0, code, oom, nil, executor.NoCheck
	m.changed(b.Container, now)
}

func (m *Machine) remove(b *box, now time.Time) {
	m.exit(b, killed, false, now)
	delete(m.containers, b.TaskID)
	gone := executor.Container{TaskID: b.TaskID, ID: b.ID, Phase: executor.Gone}
	b.Phase = executor.Gone
	m.changed(gone, now)
}
