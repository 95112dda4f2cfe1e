package docker

import (
	"context"
	"sync"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/client"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/model"
	"golang.org/x/sync/errgroup"
)

// listAtOnce bounds how many containers are looked at together.
const listAtOnce = 8

// List implements [executor.Executor].
func (e *Executor) List(ctx context.Context) ([]executor.Container, error) {
	found, err := e.list(ctx, e.ours())
	for i, c := range found {
		if c.Phase == executor.Running && e.starting.has(c.TaskID) {
			found[i].Phase = executor.Created // its start tells, once its networks work
		}
	}
	return found, err
}

// ours filters the containers of this node's tasks.
func (e *Executor) ours() client.Filters {
	return client.Filters{}.Add("label", executor.LabelTaskID, executor.LabelNodeID+"="+e.node.String())
}

func (e *Executor) list(ctx context.Context, filters client.Filters) ([]executor.Container, error) {
	answer, err := e.api.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: filters})
	if err != nil {
		return nil, failed("listing the tasks' containers", called(err))
	}
	var mu sync.Mutex
	var found []executor.Container
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(listAtOnce)
	for _, summary := range answer.Items {
		g.Go(func() error {
			c, _, err := e.inspect(ctx, summary.ID)
			if cerrdefs.IsNotFound(err) {
				return nil // removed meanwhile
			}
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			found = append(found, c)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return found, nil
}

// find returns a task's container, from memory or from the engine.
func (e *Executor) find(ctx context.Context, task model.ID) (executor.Container, error) {
	if c, ok := e.known.get(task); ok {
		return c, nil
	}
	found, err := e.list(ctx, e.ours().Add("label", executor.LabelTaskID+"="+task.String()))
	if err != nil {
		return executor.Container{}, err
	}
	if len(found) == 0 {
		return executor.Container{}, executor.ErrNoContainer
	}
	return found[0], nil
}
