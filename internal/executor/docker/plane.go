package docker

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/model"
)

// DataPlane is what connects a node's containers to the cluster's networks.
type DataPlane interface {
	// Driver is the name of its network plugin.
	Driver() string
	// Usable says, in a sentence, why this node has no overlay networks; nil: it has.
	Usable() error
	// Ready returns when all of a started task's places on networks work, or the task has none any more.
	Ready(ctx context.Context, task model.ID) error
	// HostPorts are the ports it publishes for a task on this node alone.
	HostPorts(task model.ID) []swarm.PortConfig
}

// noPlane is for a node without a data plane.
type noPlane struct{}

func (noPlane) Driver() string                        { return "" }
func (noPlane) Usable() error                         { return errors.New("there are no overlay networks on this node") }
func (noPlane) Ready(context.Context, model.ID) error { return nil }
func (noPlane) HostPorts(model.ID) []swarm.PortConfig { return nil }

// readyLimit bounds how long a started container waits for its networks: it is a matter of milliseconds, or something
// is wrong.
const readyLimit = 10 * time.Second

// starting are the tasks whose start has not been told: their containers may run already, but are not to be called
// running before their networks work.
type starting struct {
	mu    sync.Mutex
	tasks map[model.ID]int
}

func (s *starting) begin(task model.ID) (end func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tasks[task]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.tasks[task]--; s.tasks[task] == 0 {
			delete(s.tasks, task)
		}
	}
}

func (s *starting) has(task model.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tasks[task] > 0
}

// onOverlay reports whether a task is on a network of the data plane's.
func onOverlay(t *executor.Task) bool {
	for _, n := range t.Networks {
		if n.Overlay() {
			return true
		}
	}
	return false
}

// awaitNetworks returns when what a task is connected to works.
func (e *Executor) awaitNetworks(ctx context.Context, t *executor.Task) error {
	limited, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	err := e.plane.Ready(limited, t.ID)
	if err != nil && ctx.Err() != nil {
		return called(ctx.Err())
	}
	return failed("connecting the container to its networks", err)
}
