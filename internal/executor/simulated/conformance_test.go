package simulated_test

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/executor/conformance"
	"github.com/skep-org/skep/internal/executor/simulated"
	"github.com/skep-org/skep/internal/model"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) { conformance.Run(t, newHarness, synctest.Test) }

type harness struct {
	ids     env.Env
	engine  *simulated.Engine
	mu      sync.Mutex // cases make tasks while others are prepared
	behaves map[model.ID]*simulated.Behaviour
}

func newHarness(*testing.T) conformance.Harness {
	clock := env.Real().Clock // inside a synctest bubble
	h := &harness{ids: env.Seeded(1, clock), behaves: map[model.ID]*simulated.Behaviour{}}
	h.engine = simulated.NewEngine(env.Seeded(2, clock), simulated.Config{
		Node: swarm.NodeDescription{
			Hostname: "simulated", Platform: swarm.Platform{OS: "linux", Architecture: "x86_64"},
			Resources: swarm.Resources{NanoCPUs: 1e9, MemoryBytes: 1 << 30}, Engine: swarm.EngineDescription{EngineVersion: "20.10"},
		},
		Prepare: simulated.Range{Min: 20 * time.Millisecond, Max: time.Second}, Start: simulated.Range{Max: time.Second},
		Remove: simulated.Exactly(100 * time.Millisecond),
		Behave: func(t *executor.Task) *simulated.Behaviour {
			h.mu.Lock()
			defer h.mu.Unlock()
			return h.behaves[t.ID]
		},
	})
	return h
}

func (h *harness) Executor(*testing.T) executor.Executor { return h.engine.Executor() }

func (h *harness) Task(_ *testing.T, b conformance.Behaviour) *executor.Task {
	spec := &swarm.ContainerSpec{Image: "any", TTY: b.TTY}
	if b.Grace > 0 {
		spec.StopGracePeriod = &b.Grace
	}
	if b.Check != conformance.NoCheck {
		spec.Healthcheck = &container.HealthConfig{Test: []string{"CMD", "check"}}
	}
	task := &executor.Task{ID: h.ids.NewID(), ServiceID: h.ids.NewID(), ServiceName: "web", Slot: 1, Image: "any", Spec: &swarm.TaskSpec{ContainerSpec: spec}}
	if b.Port {
		task.Ports = []swarm.PortConfig{{Protocol: "tcp", TargetPort: 80, PublishMode: swarm.PortConfigPublishModeHost}}
	}
	behave := &simulated.Behaviour{
		RunFor: b.ExitAfter, ExitCode: b.ExitCode, StopTakes: b.StopTakes, Sick: b.Check == conformance.Sick, CheckAfter: time.Second, Output: b.Output,
	}
	if b.NoImage {
		behave.PrepareErr = errors.New("no such image: any")
	}
	if b.NoProgram {
		behave.StartErr = errors.New("no such program")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.behaves[task.ID] = behave
	return task
}
