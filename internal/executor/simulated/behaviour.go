package simulated

import (
	"errors"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/executor"
)

// defaultGrace is Docker's.
const defaultGrace = 10 * time.Second

var (
	errPrepare = errors.New("simulated: the image cannot be pulled")
	errStart   = errors.New("simulated: the container cannot be started")
)

// behaviour decides how a task's container will behave.
func (m *Machine) behaviour(t *executor.Task) Behaviour {
	if m.config.Behave != nil {
		if b := m.config.Behave(t); b != nil {
			return *b
		}
	}
	b := Behaviour{StopTakes: m.dice.from(m.config.Stop), CheckAfter: m.dice.from(m.config.Check)}
	if m.dice.hits(m.config.PrepareFails) {
		b.PrepareErr = errPrepare
	}
	if m.dice.hits(m.config.StartFails) {
		b.StartErr = errStart
	}
	b.Sick = m.dice.hits(m.config.Sick)
	if m.dice.hits(m.config.Crashes) {
		b.RunFor = max(m.dice.from(m.config.Life), 1)
		b.ExitCode = 1
		if b.OutOfMemory = m.dice.hits(m.config.OutOfMemory); b.OutOfMemory {
			b.ExitCode = 137
		}
	}
	return b
}

func containerSpec(t *executor.Task) *swarm.ContainerSpec {
	if t.Spec == nil || t.Spec.ContainerSpec == nil {
		return &swarm.ContainerSpec{}
	}
	return t.Spec.ContainerSpec
}

func grace(t *executor.Task) time.Duration {
	if g := containerSpec(t).StopGracePeriod; g != nil {
		return *g
	}
	return defaultGrace
}

func checked(t *executor.Task) bool {
	h := containerSpec(t).Healthcheck
	return h != nil && len(h.Test) > 0 && h.Test[0] != "NONE"
}
